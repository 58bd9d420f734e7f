-- KEYS: orders, places, the withdrawal of the order. ARGV: group, lease in ms, order, and of a lease worker, delivery.
local orders, places, withdrawn = KEYS[1], KEYS[2], KEYS[3]
local group, lease, order = ARGV[1], tonumber(ARGV[2]), ARGV[3]
local kept = redis.call('HGET', places, order)
local place = kept and string.match(kept, '^%S+')

-- Who has the order under a lease that has not ended: {entry, worker, idle ms, delivery}, or nil.
local function hold()
  if not place then return nil end
  local pending = redis.pcall('XPENDING', orders, group, place, place, 1)
  if pending.err or not pending[1] or pending[1][3] >= lease then return nil end
  return pending[1]
end

-- Of the lease that is asked about.
local function standing()
  local held = hold()
  if held and held[2] == ARGV[4] and held[4] == tonumber(ARGV[5]) then return 'held' end
  if redis.call('GET', withdrawn) == ARGV[4] .. ' ' .. ARGV[5] then return 'withdrawn' end
  return 'lost'
end

local function drop()
  redis.pcall('XACK', orders, group, place)
  redis.call('XDEL', orders, place)
  redis.call('HDEL', places, order)
end
