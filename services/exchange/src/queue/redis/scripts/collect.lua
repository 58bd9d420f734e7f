-- KEYS: reports. ARGV: group, how long a report is hidden in ms, the most reports. Gives {entry, JSON} of each.
local reports, group, hidden, most = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local found = {}

local function claim(cursor)
  return redis.pcall('XAUTOCLAIM', reports, group, group, hidden, cursor, 'COUNT', most - #found)
end

local function keep(entries)
  for _, entry in ipairs(entries) do found[#found + 1] = {entry[1], entry[2][2]} end
end

if most < 1 then return found end
local reply = claim('0-0')
if reply.err then
  if not string.find(reply.err, 'NOGROUP') then return reply end
  redis.call('XGROUP', 'CREATE', reports, group, '0', 'MKSTREAM')
  reply = claim('0-0')
end
keep(reply[2])
while #found < most and reply[1] ~= '0-0' do
  reply = claim(reply[1])
  keep(reply[2])
end
if #found < most then
  local read = redis.call('XREADGROUP', 'GROUP', group, group, 'COUNT', most - #found, 'STREAMS', reports, '>')
  if read then keep(read[1][2]) end
end
return found
