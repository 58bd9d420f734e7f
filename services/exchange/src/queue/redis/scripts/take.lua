-- KEYS: orders, places. ARGV: group, worker, lease in ms. Gives the entry, the JSON and the delivery of the oldest
-- order that is free.
local orders, places = KEYS[1], KEYS[2]
local group, worker, lease = ARGV[1], ARGV[2], ARGV[3]

local function claim(cursor)
  return redis.pcall('XAUTOCLAIM', orders, group, worker, lease, cursor, 'COUNT', 1)
end

local function free()
  local reply = claim('0-0')
  if reply.err then
    if not string.find(reply.err, 'NOGROUP') then return reply end
    redis.call('XGROUP', 'CREATE', orders, group, '0', 'MKSTREAM')
    reply = claim('0-0')
  end
  while not reply[2][1] and reply[1] ~= '0-0' do reply = claim(reply[1]) end
  if reply[2][1] then return reply[2][1] end
  local read = redis.call('XREADGROUP', 'GROUP', group, worker, 'COUNT', 1, 'STREAMS', orders, '>')
  return read and read[1][2][1]
end

while true do
  local entry = free()
  if not entry or entry.err then return entry end
  local id, fields = entry[1], entry[2]
  if redis.call('HGET', places, fields[4]) == id then
    return {id, fields[2], redis.call('XPENDING', orders, group, id, id, 1)[1][4]}
  end
  -- Its place is gone, by a hand from outside: nobody could settle it.
  redis.call('XACK', orders, group, id)
  redis.call('XDEL', orders, id)
end
