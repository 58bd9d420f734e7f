-- After standing.lua. Gives held, withdrawn or lost.
local stood = standing()
if stood == 'held' then drop() end
return stood
