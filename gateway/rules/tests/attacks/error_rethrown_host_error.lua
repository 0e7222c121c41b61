-- expect: runtime
return { check = function(request) local ok, e = pcall(function() return request.nothing end) error(e) end }
