-- expect: runtime
return { check = function() error("\27[2J\r\n\0 forged: line\u{202e}") end }
