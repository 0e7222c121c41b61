-- expect: runtime
return { check = function(request) table.clear(request.extras) return accept() end }
