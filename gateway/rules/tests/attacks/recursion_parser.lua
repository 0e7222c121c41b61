-- expect: compile_error
-- 3000 nested parentheses are made by the test from this marker.
return NEST(3000)
