-- 1 KiB JSON POSTs. BENCH_MODE=unique: every body differs; duplicate: all are the same.
local mode = os.getenv("BENCH_MODE") or "unique"
local run = os.getenv("BENCH_RUN") or "0"
local size = 1024
local count = 0

local function body(id)
  local head = '{"id":"' .. id .. '","type":"invoice.paid","pad":"'
  return head .. string.rep("x", size - #head - 2) .. '"}'
end

local same -- made at the first request: wrk knows the Host only then

function request()
  if mode == "duplicate" then
    same = same or wrk.format("POST", "/hook", {["Content-Type"] = "application/json"}, body(run))
    return same
  end
  count = count + 1
  return wrk.format("POST", "/hook", {["Content-Type"] = "application/json"}, body(run .. "-" .. count))
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %.0f %.0f\n", summary.requests, summary.duration,
    errors.status + errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50), latency:percentile(99)))
end
