-- expect: runtime
return { check = function(request) getmetatable(request).__index = nil return accept() end }
