-- expect: runtime
return { check = function() return require("/etc/hostname") end }
