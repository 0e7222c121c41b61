-- expect: runtime
return { check = function(request) return request.amount.times(request, 2) end }
