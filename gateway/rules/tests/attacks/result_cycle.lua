-- expect: runtime
return { check = function() local t = {} t.fields = t return accept(t) end }
