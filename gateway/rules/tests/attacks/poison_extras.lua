-- expect: runtime
return { check = function(request) rawset(request.extras, "data1", "x") return accept() end }
