-- expect: accept
-- Writes go to the call's own globals; taking one away uncovers the library's again.
accept = nil
return { check = function() return accept() end }
