-- KEYS: orders of its revision, places, reports, needs. ARGV: group, order, its JSON, the most orders, the most reports,
-- revision, need, and its tenant if it is known. Gives 0 if there is no room.
local orders, places, reports, needs = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
if redis.call('HEXISTS', places, ARGV[2]) == 1 then return 1 end
if redis.call('HLEN', places) >= tonumber(ARGV[4]) or redis.call('XLEN', reports) >= tonumber(ARGV[5]) then
  return 0
end
-- The group may be there already, if only the needs were lost.
if redis.call('HEXISTS', needs, ARGV[6]) == 0 then
  redis.pcall('XGROUP', 'CREATE', orders, ARGV[1], '0', 'MKSTREAM')
end
local tenant = ARGV[8] and {'tenant', ARGV[8]} or {}
local place = redis.call('XADD', orders, '*', 'body', ARGV[3], 'order', ARGV[2], unpack(tenant))
redis.call('HSET', places, ARGV[2], place .. ' ' .. ARGV[6])
redis.call('HSET', needs, ARGV[6], ARGV[7])
return 1
