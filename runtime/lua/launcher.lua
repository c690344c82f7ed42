-- launcher.lua FILE MAIN - keep a Lua function loaded and answer one JSON line per activation.
--
-- Started by launcher.sh, in the action's folder: lines come in on descriptor 8 and answers leave on
-- 9; ../README.md has the protocol. The function is a global, or a member of the table that the file
-- returns. It gets and returns tables. JSON's null is the global `null`. Lua has one type for lists
-- and objects, so an empty table is answered as {}.
--
-- Uses only the interpreter. Lua's own library can neither read JSON nor set a variable, so a JSON
-- reader is here, and os.getenv is replaced to return the metadata. Child processes do not get it.

local PIPELINE = 64 -- lines that may be written ahead of the answers
local DEPTH_MAX = 1100 -- the proxy allows 1024; Lua's limit of 200 nested calls is for C functions only

-- Copies, because the action may define globals that are called `type` or `table`.
local debug, error, io, ipairs, loadfile, math, os, pairs, pcall, setmetatable, table, tonumber, tostring, type, utf8, xpcall =
  debug, error, io, ipairs, loadfile, math, os, pairs, pcall, setmetatable, table, tonumber, tostring, type, utf8, xpcall
local stdout, stderr = io.stdout, io.stderr

null = setmetatable({}, { __tostring = function() return "null" end })

-- ---- JSON in ----

local ESCAPES = { b = "\b", f = "\f", n = "\n", r = "\r", t = "\t", ['"'] = '"', ["\\"] = "\\",
                  ["/"] = "/" }
local decode_value

local function fault(text, at)
  error({ json = ("%s at byte %d"):format(at > #text and "unexpected end" or "unexpected character",
                                          at) })
end

local function skip(text, at)
  return text:find("[^ \t\r\n]", at) or #text + 1
end

-- at: behind the "\u" of an escape. Returns the character and where it ends.
local function decode_code(text, at)
  local code = tonumber(text:match("^%x%x%x%x", at) or fault(text, at), 16)
  at = at + 4
  if code >= 0xd800 and code < 0xdc00 then
    local low = text:match("^\\u([dD][c-fC-F]%x%x)", at)
    if low then
      return utf8.char(0x10000 + ((code - 0xd800) << 10) + tonumber(low, 16) - 0xdc00), at + 6
    end
  end
  if code >= 0xd800 and code < 0xe000 then
    code = 0xfffd -- half a surrogate pair has no UTF-8 form
  end
  return utf8.char(code), at
end

-- at: behind the opening quote. Copies runs of plain characters, because most texts have few escapes.
local function decode_string(text, at)
  local pieces = {}
  while true do
    local stop = text:find('["\\%c]', at) or fault(text, #text + 1)
    local what = text:sub(stop, stop)
    if what == '"' then
      if #pieces == 0 then
        return text:sub(at, stop - 1), stop + 1
      end
      pieces[#pieces + 1] = text:sub(at, stop - 1)
      return table.concat(pieces), stop + 1
    elseif what == "\127" then
      pieces[#pieces + 1] = text:sub(at, stop)
      at = stop + 1
    elseif what ~= "\\" then
      fault(text, stop)
    else
      pieces[#pieces + 1] = text:sub(at, stop - 1)
      local letter = text:sub(stop + 1, stop + 1)
      if letter == "u" then
        pieces[#pieces + 1], at = decode_code(text, stop + 2)
      else
        pieces[#pieces + 1] = ESCAPES[letter] or fault(text, stop + 1)
        at = stop + 2
      end
    end
  end
end

local function decode_number(text, at)
  local digits = text:match("^-?%d+%.?%d*[eE]?[+-]?%d*", at) or fault(text, at)
  return tonumber(digits) or fault(text, at), at + #digits
end

-- The common part of lists and objects. at: behind the opening bracket; item: reads one item into the
-- table and returns where it ends.
local function decode_items(text, at, depth, close, item)
  local items = {}
  at = skip(text, at)
  if text:sub(at, at) == close then
    return items, at + 1
  end
  while true do
    at = skip(text, item(items, text, at, depth))
    local what = text:sub(at, at)
    if what == close then
      return items, at + 1
    elseif what ~= "," then
      fault(text, at)
    end
    at = at + 1
  end
end

local function decode_element(list, text, at, depth)
  list[#list + 1], at = decode_value(text, at, depth)
  return at
end

local function decode_member(object, text, at, depth)
  local key
  at = skip(text, at)
  if text:sub(at, at) ~= '"' then
    fault(text, at)
  end
  key, at = decode_string(text, at + 1)
  at = skip(text, at)
  if text:sub(at, at) ~= ":" then
    fault(text, at)
  end
  object[key], at = decode_value(text, at + 1, depth)
  return at
end

local WORDS = { ["true"] = true, ["false"] = false, null = null }

function decode_value(text, at, depth)
  at = skip(text, at)
  local what = text:sub(at, at)
  if depth > DEPTH_MAX then
    error({ json = "too many levels" })
  elseif what == "{" then
    return decode_items(text, at + 1, depth + 1, "}", decode_member)
  elseif what == "[" then
    return decode_items(text, at + 1, depth + 1, "]", decode_element)
  elseif what == '"' then
    return decode_string(text, at + 1)
  end
  local word = text:match("^%l+", at)
  if word and WORDS[word] ~= nil then
    return WORDS[word], at + #word
  end
  return decode_number(text, at)
end

local function decode(text)
  local value, at = decode_value(text, 1, 0)
  at = skip(text, at)
  if at <= #text then
    fault(text, at)
  end
  return value
end

-- ---- JSON out ----

local NAMES = { ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t",
                ['"'] = '\\"', ["\\"] = "\\\\" }

local function quote(text)
  if not utf8.len(text) then
    error("a text of the result is not UTF-8", 0)
  end
  return '"' .. text:gsub('[%c"\\]', function(c)
    return NAMES[c] or c ~= "\127" and ("\\u%04x"):format(c:byte()) or c
  end) .. '"'
end

-- The text with U+FFFD for each byte that is not UTF-8.
local function scrub(text)
  local pieces, at = {}, 1
  while true do
    local n, bad = utf8.len(text, at)
    if n then
      pieces[#pieces + 1] = text:sub(at)
      return table.concat(pieces)
    end
    pieces[#pieces + 1] = text:sub(at, bad - 1) .. "\u{fffd}"
    at = bad + 1
  end
end

local function encode_number(number)
  if number ~= number or number == math.huge or number == -math.huge then
    error("the result holds a number that JSON cannot tell: " .. tostring(number), 0)
  end
  if math.type(number) == "integer" then
    return ("%d"):format(number)
  end
  for _, form in ipairs({ "%.15g", "%.16g" }) do -- the shortest that reads back the same, so that an echo does not grow
    local text = form:format(number)
    if tonumber(text) == number then
      return text
    end
  end
  return ("%.17g"):format(number)
end

local SPARSE_MIN = 10 -- a list up to this length may have any number of holes

-- The length of a table that is a list, holes counted. nil: it is an object, and all its keys are strings.
local function list_length(value)
  local length, n, packed = #value, 0, nil
  if length == 0 then
    return nil
  end
  for key, item in pairs(value) do
    if math.type(key) == "integer" and key > 0 then
      n, length = n + 1, math.max(length, key)
    elseif key == "n" and math.type(item) == "integer" then
      packed = item -- the length that table.pack() noted
    else
      return nil
    end
  end
  if packed then
    length = packed >= length and packed or math.huge
  end
  return (n == 0 or length <= math.max(SPARSE_MIN, 2 * n)) and length or nil
end

local function encode(value, out, depth)
  local kind = type(value)
  if depth > DEPTH_MAX then
    error("the result has too many levels, or holds itself", 0)
  elseif value == null or value == nil then
    out[#out + 1] = "null"
  elseif kind == "string" then
    out[#out + 1] = quote(value)
  elseif kind == "number" then
    out[#out + 1] = encode_number(value)
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif kind ~= "table" then
    error("the result holds a " .. kind .. ", which JSON cannot tell", 0)
  else
    local length = list_length(value)
    local comma = length and "[" or "{"
    for i = 1, length or 0 do
      out[#out + 1] = comma
      encode(value[i], out, depth + 1)
      comma = ","
    end
    for key, item in pairs(length and {} or value) do
      out[#out + 1] = comma
      out[#out + 1] = quote(tostring(key))
      out[#out + 1] = ":"
      encode(item, out, depth + 1)
      comma = ","
    end
    out[#out + 1] = comma == "{" and "{}" or length and "]" or "}"
  end
  return out
end

local function to_line(value)
  return table.concat(encode(value, {}, 0))
end

-- ---- metadata ----

local getenv = os.getenv
local shown = {} -- variable -> text

function os.getenv(name)
  return shown[name] or getenv(name)
end

-- Keys that the platform, or the proxy from a client's headers, sends: these are always shown.
local PLATFORM = { namespace = true, action_name = true, action_version = true, activation_id = true,
                   transaction_id = true, deadline = true, api_host = true, api_key = true,
                   traceparent = true, tracestate = true }
local OTHERS_MAX = 256 -- most other keys shown, as in every language
local KEY_MAX = 1024 -- bytes

local function show(request)
  local others = 0
  shown = {}
  for key, item in pairs(request) do
    if key ~= "value" and #key <= KEY_MAX and (PLATFORM[key] or others < OTHERS_MAX) then
      others = others + (PLATFORM[key] and 0 or 1)
      shown["__OW_" .. key:upper()] = type(item) == "string" and item or
        item == null and "" or to_line(item)
    end
  end
end

-- ---- activations ----

local lines = assert(io.open("/proc/self/fd/8", "r"))
local answers = assert(io.open("/proc/self/fd/9", "a"))

local function answer(line)
  stdout:flush() -- log first, because the answer ends the activation
  stderr:flush()
  if not answers:write(line, "\n") or not answers:flush() then
    os.exit(1) -- nobody reads the answers any more
  end
end

-- ---- parts ----

local LIST_MAX = 64 << 20 -- most bytes of parts that are kept in a shell
local sends_parts = false
local parts -- of this activation: in a shell their texts, else { true } once a part was sent
local kept_bytes

-- part(value), for the function: a part of the answer. Sent at once, or in a shell kept for a list.
function part(value)
  local text = to_line(value)
  if sends_parts then
    parts[1] = true
    answer("+" .. text)
    return
  end
  kept_bytes = kept_bytes + #text
  if kept_bytes > LIST_MAX then
    error(("a list of the parts is longer than %d bytes"):format(LIST_MAX), 0)
  end
  parts[#parts + 1] = text
end

local function finish(result)
  if result == nil and #parts > 0 then
    return sends_parts and "+" or "[" .. table.concat(parts, ",") .. "]"
  end
  return to_line(result)
end

local HERE = debug.getinfo(1, "S").short_src:gsub("%W", "%%%0")

-- The handler for xpcall(): returns the problem as JSON and logs its trace. A table without a text of
-- its own is described by its members.
local function report(problem)
  local told, text = pcall(tostring, problem)
  local is_json, json = false, nil
  if type(problem) == "table" and not (debug.getmetatable(problem) or {}).__tostring then
    is_json, json = pcall(to_line, problem)
  end
  text = is_json and json or told and text or "an error that cannot be told as text"
  -- Without our own calls, which are not in the user's code.
  stderr:write((debug.traceback(text, 2):gsub("\n\t" .. HERE .. ":[^\n]*", "")), "\n")
  return { json = is_json and json or to_line(scrub(text)) }
end

-- The function that the member `method` names, or the first one.
local function choose(functions, request)
  local method = request.method
  if #functions < 2 or method == nil or method == null then
    return functions[1].call
  end
  local names = {}
  for i, one in ipairs(functions) do
    if one.name == method then
      request.method = nil -- it is not metadata
      return one.call
    end
    names[i] = one.name
  end
  return nil, "method not found: " .. to_line(method) .. "; want " .. table.concat(names, ", ")
end

local function activate(functions, line)
  local ok, request = pcall(decode, line)
  if not ok then
    return to_line({ error = "cannot read the line as JSON: " ..
                             (type(request) == "table" and request.json or tostring(request)) })
  end
  if request == null then
    request = {}
  end
  if type(request) ~= "table" or #request > 0 then
    return '{"error":"cannot use the line: want a JSON object with a value"}'
  end
  local main, problem = choose(functions, request)
  if not main then
    return to_line({ error = problem })
  end
  parts, kept_bytes = {}, 0
  local done, result = xpcall(function()
    local value = request.value
    show(request)
    if value == nil or value == null then
      value = {}
    end
    return finish(main(value))
  end, report)
  if done then
    return result
  end
  -- If report() itself has failed, the result is a text.
  return '{"error":' .. (type(result) == "table" and result.json or to_line(scrub(tostring(result)))) .. "}"
end

local function find(name, returned)
  local found = type(returned) == "table" and returned[name] or _G[name]
  return type(found) == "function" and found or nil
end

local file, name = arg[1], arg[2]
arg = { [0] = file } -- the action gets no arguments
stdout:setvbuf("line")
package.path = "./?.lua;./?/init.lua;" .. package.path
local before = {}
for key in pairs(_G) do
  before[key] = true
end

-- The functions that there are, for a user who has misspelt one.
local function defined(returned)
  local names = {}
  for _, from in ipairs({ _G, type(returned) == "table" and returned or {} }) do
    for key, value in pairs(from) do
      if type(key) == "string" and type(value) == "function" and not (from == _G and before[key]) then
        names[#names + 1] = key
      end
    end
  end
  table.sort(names)
  return #names > 0 and ", which defines: " .. table.concat(names, ", ", 1, math.min(#names, 8)) or ""
end

local chunk, why = loadfile(file)
if not chunk then
  stderr:write(why, "\n")
  os.exit(1)
end
local loaded, returned = xpcall(chunk, report)
if not loaded then
  os.exit(1)
end
local functions = {}
for one in name:gmatch("[^,]*") do
  one = one:match("^%s*(.-)%s*$")
  functions[#functions + 1] = { name = one, call = find(one, returned) }
  if not functions[#functions].call then
    stderr:write("Cannot start action: function '", one, "' was not found in ", file,
                    defined(returned), "\n")
    os.exit(1)
  end
end
if (getenv("__OW_WAIT_FOR_ACK") or "") ~= "" then
  sends_parts = true
  answer(('{"ok":true,"pipeline":%d,"parts":true}'):format(PIPELINE))
end
for line in lines:lines() do
  answer(activate(functions, line))
end
