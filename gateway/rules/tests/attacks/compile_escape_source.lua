-- expect: compile_error
return "\u{110000000}"
