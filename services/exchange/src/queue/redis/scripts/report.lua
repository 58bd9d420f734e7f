-- After standing.lua. ARGV too: reports, epochs, tenant, the epoch of its grant, and reports. Gives how the lease stands and the
-- epoch that was announced. The two keys are named here, and not above, as workers may do one thing only with each.
local stands = standing()
local epoch = tonumber(redis.call('HGET', ARGV[7], ARGV[8]) or 0)
if stands == 'held' then
  redis.call('XCLAIM', orders, group, ARGV[4], 0, place, 'JUSTID')
  if epoch <= tonumber(ARGV[9]) then
    for n = 10, #ARGV do redis.call('XADD', ARGV[6], '*', 'body', ARGV[n]) end
  end
end
return {stands, epoch}
