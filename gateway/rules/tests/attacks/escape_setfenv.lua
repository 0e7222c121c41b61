-- expect: runtime
return { check = function() setfenv(1, {}) return accept() end }
