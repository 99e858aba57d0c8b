-- Refuses JSON that would end Triton or fill its memory, and says whose fault it is where Triton does not.
--
-- Its parser goes as deep as the text does, and ends with it. Text with so many opening brackets is not nested deeper
-- than that; counting them is much cheaper than following them. Triton 2.51 bears 100,000 levels and dies of 130,000.
--
-- It makes room for a tensor of the shape it is told before it looks at the data: a hundred bytes end it. A tensor has
-- no more elements than its body has bytes.

local MOST = 25000
local TOO_MANY_BRACKETS = "more than 25000 brackets in JSON: send the tensor flat, or as binary"
local OPERATORS_ONLY = "classification needs an operator's key"

-- How Triton begins what it answers with 500 though the request is wrong.
local CALLERS_FAULT = {"Unable to parse", "Unable to set", "failed to parse the request JSON", "failed to get request", "attempt to "}

local function count(text, bracket, counted)
  local from = 1
  while counted <= MOST do
    local found = string.find(text, bracket, from, true)
    if found == nil then return counted end
    counted = counted + 1
    from = found + 1
  end
  return counted
end

local function infers(handle)
  local path = string.match(handle:headers():get(":path") or "", "^[^?]*")
  return string.sub(path, -6) == "/infer"
end

local function json_bytes(handle, length)
  -- Behind the JSON of "infer" stand tensors; "generate" takes everything for JSON.
  local announced = handle:headers():get("inference-header-content-length") or ""
  -- Of a number that may be read in two ways nothing is believed.
  if not infers(handle) or string.find(announced, "^[1-9]%d*$") == nil then return length end
  return math.min(tonumber(announced), length)
end

local function with_plain_letters(text)
  -- "\u0073hape" is "shape" too.
  if string.find(text, "\\u00", 1, true) == nil then return text end
  return (string.gsub(text, "\\u00([67]%x)", function(code) return string.char(tonumber(code, 16)) end))
end

-- A size of 0 hides no other: numpy does not bear their product either.
local function elements(shape)
  local product = 1
  for size in string.gmatch(shape, "[^,%s]+") do product = product * math.max(math.abs(tonumber(size) or 0), 1) end
  return product
end

-- What follows each key of this name; a name inside of a text has a backslash before its quotes.
local function values(text, key, pattern)
  local from = 1
  return function()
    while true do
      local _, found = string.find(text, '"' .. key .. '"', from, true)
      if found == nil then return nil end
      from = found + 1
      local value = string.match(text, "^%s*:" .. pattern, from)
      if value ~= nil then return value end
    end
  end
end

local function fault(handle, text, length)
  if length > MOST and count(text, "{", count(text, "[", 0)) > MOST then return TOO_MANY_BRACKETS end
  if not infers(handle) or handle:headers():get("x-conch-operator") == "true" then return nil end
  local plain = with_plain_letters(text)
  if values(plain, "classification", "()")() ~= nil then return OPERATORS_ONLY end
  local announced = 0
  for shape in values(plain, "shape", "%s*%[([^%]]*)%]") do announced = announced + elements(shape) end
  if announced > length then
    return string.format("the shapes announce %.0f elements, the body has %d bytes", announced, length)
  end
  return nil
end

function envoy_on_request(handle)
  local body = handle:body()
  if body == nil then return end
  local length = body:length()
  local refusal = fault(handle, body:getBytes(0, json_bytes(handle, length)), length)
  if refusal == OPERATORS_ONLY then
    handle:respond({[":status"] = "403"}, refusal)
  elseif refusal ~= nil then
    handle:respond({[":status"] = "400"}, refusal)
  end
end

function envoy_on_response(handle)
  if handle:headers():get(":status") ~= "500" then return end
  local body = handle:body()
  if body == nil then return end
  local message = string.match(body:getBytes(0, math.min(body:length(), 200)), '^{"error":"(.*)')
  if message == nil then return end
  for _, beginning in ipairs(CALLERS_FAULT) do
    if string.sub(message, 1, #beginning) == beginning then handle:headers():replace(":status", "400") end
  end
end
