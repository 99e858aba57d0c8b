-- Refuses JSON that may be nested too deep: Triton's parser goes as deep as the text does, and ends with it.
--
-- Text with so many opening brackets is not nested deeper than that; counting them is much cheaper than following them.
-- Measured: Triton 2.51 bears 100,000 levels and dies of 130,000.

local MOST = 25000
local MESSAGE = "more than 25000 brackets in JSON: send the tensor flat, or as binary"

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

local function json_bytes(handle, length)
  -- Behind the JSON of "infer" stand tensors; "generate" takes everything for JSON.
  local path = handle:headers():get(":path") or ""
  local announced = handle:headers():get("inference-header-content-length") or ""
  -- Of a number that may be read in two ways nothing is believed.
  if string.sub(path, -6) ~= "/infer" or string.find(announced, "^[1-9]%d*$") == nil then return length end
  return math.min(tonumber(announced), length)
end

function envoy_on_request(handle)
  local body = handle:body()
  if body == nil or body:length() <= MOST then return end
  local text = body:getBytes(0, json_bytes(handle, body:length()))
  if count(text, "{", count(text, "[", 0)) > MOST then
    handle:respond({[":status"] = "400"}, MESSAGE)
  end
end
