-- KEYS: reports, streams of orders. ARGV: group, lease in ms. Gives how many orders wait and are leased, and how many
-- reports there are.
local waiting, leased = 0, 0
for n = 2, #KEYS do
  local all, held = redis.call('XLEN', KEYS[n]), 0
  local pending = all > 0 and redis.pcall('XPENDING', KEYS[n], ARGV[1], '-', '+', all) or {}
  if not pending.err then
    for _, one in ipairs(pending) do
      if one[3] < tonumber(ARGV[2]) then held = held + 1 end
    end
  end
  waiting, leased = waiting + all - held, leased + held
end
return {waiting, leased, redis.call('XLEN', KEYS[1])}
