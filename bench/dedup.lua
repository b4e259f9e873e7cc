-- What people write by hand: SHA-256 of the body, SET NX EX in Redis, 200 for a duplicate. The hash is in the module's own library.
local redis = require "nginx.redis"
local sha256 = require "nginx.sha256"
local str = require "nginx.string"

ngx.req.read_body()
local hash = sha256:new()
hash:update(ngx.req.get_body_data() or "")
local link = redis:new()
link:set_timeout(1000)
local ok, why = link:connect("127.0.0.1", tonumber(ngx.var.redis_port))
if not ok then
  ngx.log(ngx.ERR, "redis: ", why)
  return ngx.exit(503)
end
local first, failed = link:set("k:" .. str.to_hex(hash:final()), "1", "NX", "EX", 86400)
if failed then
  ngx.log(ngx.ERR, "redis: ", failed)
  return ngx.exit(503)
end
link:set_keepalive(60000, 256)
if first == ngx.null then
  ngx.header["Content-Type"] = "application/json"
  ngx.say('{"outcome":"duplicate"}')
  return ngx.exit(200)
end
