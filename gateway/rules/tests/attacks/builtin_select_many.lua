-- expect: step_limit | time_limit | runtime
local function walk(...) for i = 1, select("#", ...) do local x = select(i, ...) end end
return { check = function() while true do walk(table.unpack(table.create(7000, 1))) end end }
