-- After standing.lua. Whoever has the order learns of it at the next extension, which comes before the lease would end.
if not place then return end
local held = hold()
if held then redis.call('SET', withdrawn, held[2] .. ' ' .. held[4], 'PX', lease) end
drop()
