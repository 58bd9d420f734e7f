-- KEYS: orders, places. ARGV: group, after how many ms of silence a worker is forgotten, orders. Gives 1 or 0 for each.
-- The hub asks this now and then, so it is here that the names of workers that left are removed.
local orders, places = KEYS[1], KEYS[2]
local consumers = redis.pcall('XINFO', 'CONSUMERS', orders, ARGV[1])
if not consumers.err then
  for _, consumer in ipairs(consumers) do
    -- name, its value, pending, its value, idle, its value.
    if consumer[4] == 0 and consumer[6] > tonumber(ARGV[2]) then
      redis.call('XGROUP', 'DELCONSUMER', orders, ARGV[1], consumer[2])
    end
  end
end
local held = {}
for n = 3, #ARGV do held[n - 2] = redis.call('HEXISTS', places, ARGV[n]) end
return held
