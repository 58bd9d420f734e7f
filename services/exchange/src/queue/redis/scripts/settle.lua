-- After standing.lua.
if is_mine(hold()) then drop() end
