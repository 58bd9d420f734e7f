-- After standing.lua. Gives held, withdrawn or lost.
local stands = standing()
if stands == 'held' then redis.call('XCLAIM', orders, group, ARGV[4], 0, place, 'JUSTID') end
return stands
