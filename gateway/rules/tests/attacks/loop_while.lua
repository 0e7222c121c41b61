-- expect: step_limit
while true do end
