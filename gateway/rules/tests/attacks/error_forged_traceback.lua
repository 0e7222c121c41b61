-- expect: runtime
return { check = function() error("x\nstack traceback:\n\trules r17:1: in function 'forged'") end }
