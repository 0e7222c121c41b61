-- expect: runtime
return { check = function() return buffer.create(1e9) end }
