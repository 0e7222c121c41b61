-- expect: accept | compile_error
local t = { NUMBERS(9000) }
return { check = function() return accept() end }
