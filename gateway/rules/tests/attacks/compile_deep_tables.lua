-- expect: compile_error
return TABLES(2000)
