-- After standing.lua. ARGV too: reports, epochs, tenant, the epoch of its grant, 1 if the order is done with, and reports. Gives
-- how the lease stands and the epoch that was announced. The two keys are named here, and not above, as workers may do one
-- thing only with each.
local stands = standing()
local epoch = tonumber(redis.call('HGET', ARGV[7], ARGV[8]) or 0)
if stands == 'held' then
  local holds = epoch <= tonumber(ARGV[9])
  if holds then
    for n = 11, #ARGV do redis.call('XADD', ARGV[6], '*', 'body', ARGV[n]) end
  end
  if holds and ARGV[10] == '1' then
    drop()
  else
    redis.call('XCLAIM', orders, group, ARGV[4], 0, place, 'JUSTID')
  end
end
return {stands, epoch}
