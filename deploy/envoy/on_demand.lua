-- Asks the loader before it passes a call of a model that is on demand: it may have to be loaded first.
--
-- A route's filter_context has those models for keys. The loader's answer holds for a while, for all calls of this worker.
-- Where the loader cannot be reached calls pass: a model that is loaded answers.

local CLUSTER, PATH = "models_grpc", "/conch.rollout.Loader/Ask"
local EMPTY = "\0\0\0\0\0"
-- The loader ends its own waiting before.
local DEADLINE_MS = 150000
local RESOURCE_EXHAUSTED = "8"
-- Of a stream: what its first message says of its model has come by then.
local HEAD_BYTES = 300

-- By model: until when calls pass without asking.
local good = {}

local function now_ms(handle) return tonumber(handle:timestamp()) end

local function unescaped(text)
  return (string.gsub(text or "", "%%(%x%x)", function(code) return string.char(tonumber(code, 16)) end))
end

-- The gateway's question whether a model answers, and the stack's; the edge gives callers ids of its own.
local PROBES = {health = true, probe = true}

local function is_probe(handle) return PROBES[handle:headers():get("x-conch-request-id") or ""] == true end

-- Nil where the call may pass.
local function refusal(handle, model)
  local asked = now_ms(handle)
  local lease = good[model]
  if lease ~= nil and asked >= lease.from and asked < lease.till then return nil end
  local said = {
    [":method"] = "POST", [":path"] = PATH, [":authority"] = CLUSTER, ["content-type"] = "application/grpc",
    ["te"] = "trailers", ["x-conch-model"] = model, ["x-conch-probe"] = tostring(is_probe(handle)),
  }
  local answer = handle:httpCall(CLUSTER, said, EMPTY, DEADLINE_MS)
  local ms = tonumber(answer["x-conch-good-ms"] or "")
  if ms ~= nil then
    good[model] = {from = asked, till = asked + ms}
    return nil
  end
  local wait = answer["retry-after"]
  if wait == nil then return nil end
  local status = answer["grpc-status"] == RESOURCE_EXHAUSTED and "429" or "503"
  return {status = status, wait = wait, text = unescaped(answer["grpc-message"])}
end

-- Of the first message of a stream, which names its model before all else; nil where it does not.
local function name_in(head)
  if string.byte(head, 1) ~= 0 or string.byte(head, 6) ~= 10 then return nil end
  local length, at = string.byte(head, 7), 8
  if length == nil then return nil end
  if length >= 128 then
    local more = string.byte(head, 8)
    if more == nil or more >= 128 then return nil end
    length, at = length - 128 + more * 128, 9
  end
  return string.sub(head, at, at + length - 1)
end

-- Its headers are on their way: whatever the loader says, the message follows, and Triton tells what it has against it.
local function hold_stream(handle)
  local head = ""
  for chunk in handle:bodyChunks() do
    head = head .. chunk:getBytes(0, math.min(chunk:length(), HEAD_BYTES))
    local name = name_in(head)
    if name ~= nil then
      -- Asked for here: what was had before a chunk came holds no longer.
      if handle:filterContext():get(name) then refusal(handle, name) end
      return
    end
    if #head >= HEAD_BYTES then return end
  end
end

-- One that is read whole can be refused.
local function ask_for_stream_of_one(handle)
  local body = handle:body()
  local name = body and name_in(body:getBytes(0, math.min(body:length(), HEAD_BYTES)))
  if name ~= nil and handle:filterContext():get(name) then return refusal(handle, name) end
  return nil
end

local function name_of(handle, path)
  local in_path = string.match(path, "^/v2/models/([^/?]+)")
  if in_path ~= nil then
    if string.find(path, "/stats", 1, true) then return nil end
    return in_path
  end
  -- grpc.lua has read it.
  local noted = handle:streamInfo():dynamicMetadata():get("conch")
  return noted and noted["model"]
end

function envoy_on_request(handle)
  local path = handle:headers():get(":path") or ""
  local refused
  if string.sub(path, -17) ~= "/ModelStreamInfer" then
    local name = name_of(handle, path)
    if name == nil or not handle:filterContext():get(name) then return end
    refused = refusal(handle, name)
  elseif is_probe(handle) then
    refused = ask_for_stream_of_one(handle)
  else
    hold_stream(handle)
  end
  if refused ~= nil then
    handle:respond({[":status"] = refused.status, ["retry-after"] = refused.wait}, refused.text)
  end
end
