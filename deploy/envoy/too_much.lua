-- Says RESOURCE_EXHAUSTED, or 429, with retry-after where Triton could only say that a model is unavailable.
--
-- Triton's errors have no such code and no headers, so the model writes how long to wait into its text:
-- conch/contracts/retry_after.py.

local function seconds(text)
  return text and string.match(text, "; retry after (%d+) s")
end

function envoy_on_response(handle)
  local headers = handle:headers()
  if headers:get("grpc-status") == "14" then
    local wait = seconds(headers:get("grpc-message"))
    if wait then
      headers:replace("grpc-status", "8")
      headers:replace("retry-after", wait)
    end
  elseif headers:get(":status") == "503" then
    local body = handle:body()
    local wait = body and seconds(body:getBytes(0, body:length()))
    if wait then
      -- After a wait for the body, headers are to be asked for again.
      handle:headers():replace(":status", "429")
      handle:headers():replace("retry-after", wait)
    end
  end
end
