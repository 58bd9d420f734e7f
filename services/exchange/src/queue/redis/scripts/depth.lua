-- KEYS: orders, reports. ARGV: group, lease in ms. Gives how many orders wait and are leased, and how many reports there are.
local all = redis.call('XLEN', KEYS[1])
local leased = 0
local pending = all > 0 and redis.pcall('XPENDING', KEYS[1], ARGV[1], '-', '+', all) or {}
if not pending.err then
  for _, held in ipairs(pending) do
    if held[3] < tonumber(ARGV[2]) then leased = leased + 1 end
  end
end
return {all - leased, leased, redis.call('XLEN', KEYS[2])}
