-- Runs once in every VM, before its libraries are closed. Replaces what cannot be handed to a hostile script as it is.
--
-- Luau counts steps at calls, loop turns and inside patterns, but not inside other built-ins. Those that take longest
-- are bounded here by the size of what they work on; the others (`string.sub`, `table.insert`) by the memory that a
-- script may take at once. Level 2 in `error` blames the author's line.

local host = ...
local limits = host.limits

local error, type, select, rawlen, tonumber = error, type, select, rawlen, tonumber
local raw_tostring, raw_pcall, raw_xpcall = tostring, pcall, xpcall
local raw_match, raw_format, raw_rep = string.match, string.format, string.rep
local unpack = table.unpack

local function text_size(name, value, level)
  local kind = type(value)
  if kind == "string" then return #value end
  if kind == "number" then return #raw_tostring(value) end
  error(`{name}: expected text, got {kind}`, level + 1)
end

-- Patterns: the time between two steps grows with text × pattern.
for _, name in { "find", "match", "gmatch", "gsub", "split" } do
  local raw = string[name]
  local title = "string." .. name
  string[name] = function(text, pattern, ...)
    if text_size(title, text, 2) > limits.pattern_text then
      error(`{title}: the text is longer than {limits.pattern_text} bytes`, 2)
    end
    if pattern ~= nil and text_size(title, pattern, 2) > limits.pattern then
      error(`{title}: the pattern is longer than {limits.pattern} bytes`, 2)
    end
    return raw(text, pattern, ...)
  end
end

-- Functions that walk over a whole text.
local function bound_text(library, library_name, name)
  local raw = library[name]
  local title = library_name .. "." .. name
  library[name] = function(text, ...)
    if text_size(title, text, 2) > limits.text then
      error(`{title}: the text is longer than {limits.text} bytes`, 2)
    end
    return raw(text, ...)
  end
end
for _, name in { "lower", "upper", "reverse", "pack", "packsize", "unpack" } do
  bound_text(string, "string", name)
end
for _, name in { "len", "codepoint", "offset", "codes" } do
  bound_text(utf8, "utf8", name)
end

string.rep = function(text, count)
  local size = text_size("string.rep", text, 2)
  local times = tonumber(count)
  if times == nil then error("string.rep: expected a number of repetitions", 2) end
  if not (times * size <= limits.text) then
    error(`string.rep: the result would be longer than {limits.text} bytes`, 2)
  end
  return raw_rep(text, times)
end

-- Tables and functions print as addresses, which differ from run to run: print their kind instead.
local function plain(value)
  local text = raw_tostring(value)
  local kind = type(value)
  if kind == "string" or kind == "number" or kind == "boolean" or kind == "nil" then return text end
  if #text < 64 and raw_match(text, "^[%w_]+: 0x%x+$") then return kind end
  return text
end
tostring = function(...)
  if select("#", ...) == 0 then error("tostring: expected a value", 2) end
  return plain((...))
end

-- Interpolated texts (`{x}`) arrive here too.
string.format = function(form, ...)
  if text_size("string.format", form, 2) > limits.text then
    error(`string.format: the format is longer than {limits.text} bytes`, 2)
  end
  local count = select("#", ...)
  local values = { ... }
  for i = 1, count do
    local kind = type(values[i])
    if kind == "table" or kind == "function" or kind == "userdata" then values[i] = plain(values[i]) end
  end
  return raw_format(form, unpack(values, 1, count))
end

-- Tables: bounded by how many items are walked over.
local function items(name, value, level)
  if type(value) ~= "table" then error(`{name}: expected a table, got {type(value)}`, level + 1) end
  if rawlen(value) > limits.table then error(`{name}: the table has more than {limits.table} items`, level + 1) end
end

local raw_sort = table.sort
table.sort = function(list, before)
  items("table.sort", list, 2)
  if before ~= nil and type(before) ~= "function" then error("table.sort: expected a function as the order", 2) end
  -- Comparing in Lua counts steps; the built-in order would not.
  return raw_sort(list, if before then function(a, b) return before(a, b) end else function(a, b) return a < b end)
end

for _, name in { "find", "concat", "clone", "clear" } do
  local raw = table[name]
  local title = "table." .. name
  table[name] = function(list, ...)
    items(title, list, 2)
    return raw(list, ...)
  end
end

local raw_create = table.create
table.create = function(count, ...)
  local wanted = tonumber(count)
  if wanted == nil or not (wanted <= limits.table) then
    error(`table.create: at most {limits.table} items`, 2)
  end
  return raw_create(wanted, ...)
end

local raw_move = table.move
table.move = function(from, first, last, at, to)
  local a, b, c = tonumber(first), tonumber(last), tonumber(at)
  if a == nil or b == nil or c == nil then error("table.move: expected three positions", 2) end
  if not (b - a < limits.table) then error(`table.move: at most {limits.table} items`, 2) end
  return raw_move(from, a, b, c, to)
end

-- Deprecated by Luau, and they walk without counting steps.
for _, name in { "foreach", "foreachi", "getn", "maxn" } do table[name] = nil end

local function no_random()
  error("math.random is not repeatable: use ctx.random(n), which gives a number from 1 to n", 2)
end
math.random = no_random
math.randomseed = no_random

-- Errors of host functions are objects; a script that catches one gets its text. Running out of memory cannot be
-- caught: what follows would depend on what the collector happened to have freed.
local caught = host.caught
local depth = 0
local function deeper(name)
  if depth >= limits.pcalls then error(`{name}: more than {limits.pcalls} within each other`, 3) end
  depth += 1
end
local function settle(ok, problem, ...)
  depth -= 1
  if ok then return true, problem, ... end
  return false, caught(problem)
end
pcall = function(...)
  deeper("pcall")
  return settle(raw_pcall(...))
end
xpcall = function(body, handler, ...)
  if type(handler) ~= "function" then error("xpcall: expected a function as the handler", 2) end
  deeper("xpcall")
  return settle(raw_xpcall(body, function(problem) return handler(caught(problem)) end, ...))
end

getmetatable("").__metatable = false

-- Questions to the gateway: `put` checks and notes the question, the driver of the call waits for the answer while this
-- sleeps, `take` makes a value of it.
local yield, isyieldable = host.yield, host.isyieldable
local function asking(put, take)
  return function(...)
    put(isyieldable(), ...)
    yield()
    return take(...)
  end
end

-- A script that was stopped did not come back from its `pcall`s.
local function come_up() depth = 0 end

return asking, come_up
