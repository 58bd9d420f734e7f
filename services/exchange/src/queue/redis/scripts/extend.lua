-- After standing.lua. Gives held, withdrawn or lost.
if is_mine(hold()) then
  redis.call('XCLAIM', orders, group, ARGV[4], 0, place, 'JUSTID')
  return 'held'
end
if redis.call('GET', withdrawn) == ARGV[4] .. ' ' .. ARGV[5] then return 'withdrawn' end
return 'lost'
