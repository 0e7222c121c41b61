-- expect: runtime
return { check = function() os.exit() end }
