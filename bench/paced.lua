-- 1 KiB JSON POSTs, every body its own, at BENCH_RATE per second: each is due at its time, however long the ones before it take.
-- The event id of each 202 goes to the file BENCH_ACCEPTED.
local ffi = require "ffi"
ffi.cdef [[
typedef struct { long s; long ns; } bench_time;
int clock_gettime(int clock, bench_time *now);
]]
local MONOTONIC = 1
local run = os.getenv("BENCH_RUN")
local interval_ms = 1000 / tonumber(os.getenv("BENCH_RATE"))
local size = 1024
local count = 0
local time = ffi.new("bench_time")
local due_ms
local threads = {}
-- Of a thread; `done` reads them.
others, late_max_ms = 0, 0

local function now_ms()
  ffi.C.clock_gettime(MONOTONIC, time)
  return tonumber(time.s) * 1000 + tonumber(time.ns) / 1e6
end

function setup(thread)
  table.insert(threads, thread)
end

function init()
  accepted = io.open(os.getenv("BENCH_ACCEPTED"), "w")
  accepted:setvbuf("full", 65536)
end

-- Asked before each request of each connection: how long it waits for its time.
function delay()
  local now = now_ms()
  due_ms = (due_ms or now) + interval_ms
  if due_ms > now then
    return math.floor(due_ms - now)
  end
  late_max_ms = math.max(late_max_ms, math.floor(now - due_ms))
  return 0
end

function request()
  count = count + 1
  local head = '{"id":"' .. run .. "-" .. count .. '","type":"invoice.paid","pad":"'
  return wrk.format("POST", "/hook", {["Content-Type"] = "application/json"}, head .. string.rep("x", size - #head - 2) .. '"}')
end

function response(status, headers, body)
  if status == 202 then
    accepted:write(string.match(body, '"event_id":"([^"]+)"'), "\n")
  else
    others = others + 1
  end
end

function done(summary, latency, requests)
  local all_others, late = 0, 0
  for _, thread in ipairs(threads) do
    all_others = all_others + thread:get("others")
    late = math.max(late, thread:get("late_max_ms"))
  end
  local errors = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d\n", summary.requests, summary.duration, all_others,
    errors.connect + errors.read + errors.write + errors.timeout, late))
end
