-- KEYS: places, streams of orders. ARGV: group, worker, lease in ms, epochs. Gives stream, entry, JSON and delivery of the
-- oldest order that is free in the first stream that has one; and its tenant, empty if it is not known, with the epoch that was
-- announced. The epochs are named here, and not above, as workers may only read them.
local places = KEYS[1]
local group, worker, lease = ARGV[1], ARGV[2], ARGV[3]

local function claim(orders, cursor)
  return redis.pcall('XAUTOCLAIM', orders, group, worker, lease, cursor, 'COUNT', 1)
end

local function free(orders)
  local reply = claim(orders, '0-0')
  if reply.err then
    -- Whoever offers makes the group.
    if string.find(reply.err, 'NOGROUP') then return nil end
    return reply
  end
  while not reply[2][1] and reply[1] ~= '0-0' do reply = claim(orders, reply[1]) end
  if reply[2][1] then return reply[2][1] end
  local read = redis.call('XREADGROUP', 'GROUP', group, worker, 'COUNT', 1, 'STREAMS', orders, '>')
  return read and read[1][2][1]
end

for n = 2, #KEYS do
  local orders = KEYS[n]
  local entry = free(orders)
  while entry do
    if entry.err then return entry end
    local id, fields = entry[1], entry[2]
    local place = redis.call('HGET', places, fields[4])
    if place and string.match(place, '^%S+') == id then
      local tenant = fields[6] or ''
      local epoch = tonumber(redis.call('HGET', ARGV[4], tenant) or 0)
      return {orders, id, fields[2], redis.call('XPENDING', orders, group, id, id, 1)[1][4], tenant, epoch}
    end
    -- Its place is gone, by a hand from outside: nobody could settle it.
    redis.call('XACK', orders, group, id)
    redis.call('XDEL', orders, id)
    entry = free(orders)
  end
end
return false
