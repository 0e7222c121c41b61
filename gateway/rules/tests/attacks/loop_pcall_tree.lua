-- expect: step_limit
local function tree(depth) if depth == 0 then while true do end end pcall(tree, depth - 1) pcall(tree, depth - 1) end
return { check = function() tree(40) return accept() end }
