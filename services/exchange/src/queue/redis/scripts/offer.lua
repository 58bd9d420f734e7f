-- KEYS: orders, places, reports. ARGV: order, its JSON, the most orders, the most reports. Gives 0 if there is no room.
local orders, places, reports = KEYS[1], KEYS[2], KEYS[3]
if redis.call('HEXISTS', places, ARGV[1]) == 1 then return 1 end
if redis.call('XLEN', orders) >= tonumber(ARGV[3]) or redis.call('XLEN', reports) >= tonumber(ARGV[4]) then
  return 0
end
local place = redis.call('XADD', orders, '*', 'body', ARGV[2], 'order', ARGV[1])
redis.call('HSET', places, ARGV[1], place)
return 1
