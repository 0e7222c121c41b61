-- expect: runtime
return { check = function() io.open("/etc/passwd") end }
