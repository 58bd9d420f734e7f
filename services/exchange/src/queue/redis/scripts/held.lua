-- KEYS: places, needs, streams of orders. ARGV: group, after how many ms of silence a worker or a revision is forgotten,
-- orders. Gives 1 or 0 for each order.
-- The hub asks this now and then, so it is here that workers that left and revisions without orders are removed.
local places, needs = KEYS[1], KEYS[2]
local group, silence = ARGV[1], tonumber(ARGV[2])
local now = redis.call('TIME')[1] * 1000

local function last_order_at(orders)
  local info = redis.pcall('XINFO', 'STREAM', orders)
  for n = 1, info.err and 0 or #info, 2 do
    if info[n] == 'last-generated-id' then return tonumber(string.match(info[n + 1], '^%d+')) end
  end
  return 0
end

for n = 3, #KEYS do
  local orders = KEYS[n]
  local consumers = redis.pcall('XINFO', 'CONSUMERS', orders, group)
  for _, consumer in ipairs(consumers.err and {} or consumers) do
    -- name, its value, pending, its value, idle, its value.
    if consumer[4] == 0 and consumer[6] > silence then
      redis.call('XGROUP', 'DELCONSUMER', orders, group, consumer[2])
    end
  end
  if redis.call('XLEN', orders) == 0 and now - last_order_at(orders) > silence then
    redis.call('DEL', orders)
    redis.call('HDEL', needs, string.match(orders, '[^:]+$'))
  end
end
local held = {}
for n = 3, #ARGV do held[n - 2] = redis.call('HEXISTS', places, ARGV[n]) end
return held
