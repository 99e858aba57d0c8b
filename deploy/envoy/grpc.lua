-- Reads a gRPC request for Triton as Triton's protobuf does, and refuses what its tenant may not, or what ends a model.
--
-- Envoy's own extraction of fields goes by their numbers alone: one of another wire type hides from it what Triton reads.
-- A route's filter_context says what to look for: "models" that may be named, "infers", "loads", or the model's name,
-- which is "noted" for on_demand.lua.
--
-- Triton multiplies sizes within 64 bits and takes what is left for right; a python model dies of such a tensor before
-- its own code sees it. A tensor has no more elements than its message has bytes.

local MALFORMED = "the message is none that this call takes"
local PACKED = "a packed message cannot be looked into: send it unpacked"
local OPERATORS_ONLY = "classification needs an operator's key"
local NOT_ITS_MODEL = "this tenant may not call that model"
local LOAD_WITH_PARAMETERS = "a load takes no parameters here"

local MODEL_NAME, INPUTS, OUTPUTS, LOAD_PARAMETERS = 1, 5, 6, 3
local SHAPE, OUTPUT_PARAMETERS = 3, 2
local VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
local WINDOW = 1024

local function refuse(status, text) error({status = status, text = text}, 0) end

-- Bytes by their places in the body, of which a piece is here at a time: tensors are large, and passed over.
local function bytes_of(body, last)
  local from, piece = 0, ""
  return function(at)
    if at < from or at >= from + #piece then
      if at >= last then refuse("400", MALFORMED) end
      from, piece = at, body:getBytes(at, math.min(WINDOW, last - at))
    end
    return string.byte(piece, at - from + 1)
  end
end

-- Of more than 53 bits it is not exact, and of a negative number 2^64 more: both are beyond every bound.
local function varint(byte, at, most)
  local value, scale = 0, 1
  for place = at, at + most - 1 do
    local bits = byte(place)
    if bits < 128 then return value + bits * scale, place + 1 end
    value, scale = value + (bits - 128) * scale, scale * 128
  end
  refuse("400", MALFORMED)
end

-- Calls seen(number, wire, from, to) for each field of a message.
local function each_field(byte, at, last, seen)
  while at < last do
    local tag, from = varint(byte, at, 5)
    local number, wire = math.floor(tag % 2 ^ 32 / 8), tag % 8
    if number == 0 then refuse("400", MALFORMED) end
    local to = from
    if wire == VARINT then
      to = select(2, varint(byte, from, 10))
    elseif wire == EIGHT_BYTES then
      to = from + 8
    elseif wire == FOUR_BYTES then
      to = from + 4
    elseif wire == LENGTH then
      local length
      length, from = varint(byte, from, 5)
      to = from + length
    else
      refuse("400", MALFORMED)
    end
    if to > last then refuse("400", MALFORMED) end
    seen(number, wire, from, to)
    at = to
  end
end

-- Sizes may come in one piece, in several, or one by one. An empty one hides no other.
local function elements(byte, from, to)
  local product = 1
  each_field(byte, from, to, function(number, wire, at, last)
    if number ~= SHAPE or (wire ~= LENGTH and wire ~= VARINT) then return end
    while at < last do
      local size
      size, at = varint(byte, at, 10)
      product = product * math.max(size, 1)
    end
  end)
  return product
end

local function look_for_classification(body, byte, from, to)
  each_field(byte, from, to, function(number, wire, at, last)
    if number ~= OUTPUT_PARAMETERS or wire ~= LENGTH then return end
    if string.find(body:getBytes(at, last - at), "classification", 1, true) then refuse("403", OPERATORS_ONLY) end
  end)
end

local function is_one_of(models, name)
  for _, model in ipairs(models) do
    if model == name then return true end
  end
  return false
end

local function look_at_message(body, byte, length, context, operator)
  local name, announced = "", 0
  each_field(byte, 5, length, function(number, wire, from, to)
    if wire ~= LENGTH then return end
    if number == MODEL_NAME and (context.models or context.noted) then
      name = body:getBytes(from, to - from)
    elseif number == INPUTS and context.infers and not operator then
      announced = announced + elements(byte, from, to)
    elseif number == OUTPUTS and context.infers and not operator then
      look_for_classification(body, byte, from, to)
    elseif number == LOAD_PARAMETERS and context.loads then
      refuse("403", LOAD_WITH_PARAMETERS)
    end
  end)
  if context.models and not is_one_of(context.models, name) then refuse("403", NOT_ITS_MODEL) end
  if announced > length - 5 then
    refuse("400", string.format("the shapes announce %.0f elements, the message has %d bytes", announced, length - 5))
  end
  return name
end

local function look(body, context, operator)
  local length = body:length()
  local byte = bytes_of(body, length)
  local said = 5
  for place = 1, 4 do said = said + byte(place) * 256 ^ (4 - place) end
  if byte(0) > 1 or said ~= length then refuse("400", MALFORMED) end
  if byte(0) == 0 then
    return look_at_message(body, byte, length, context, operator)
  elseif context.models or context.loads then
    refuse("403", PACKED)
  end
end

function envoy_on_request(handle)
  local operator = handle:headers():get("x-conch-operator") == "true"
  local body = handle:body()
  if body == nil then
    handle:respond({[":status"] = "400"}, MALFORMED)
    return
  end
  local said = handle:filterContext()
  local context = {models = said:get("models"), infers = said:get("infers"), loads = said:get("loads"), noted = said:get("noted")}
  -- An error that nobody caught would let the call pass.
  local well, told = pcall(look, body, context, operator)
  if well then
    -- Of characters that models' names have: what else came is no name, and Triton says so.
    if context.noted and told and string.find(told, "^[%w_.-]+$") then
      handle:streamInfo():dynamicMetadata():set("conch", "model", told)
    end
    return
  end
  local refusal = told
  if type(refusal) ~= "table" then refusal = {status = "400", text = MALFORMED} end
  handle:respond({[":status"] = refusal.status}, refusal.text)
end
