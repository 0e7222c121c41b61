-- expect: compile_error
return { check = function() LOCALS(300) return accept() end }
