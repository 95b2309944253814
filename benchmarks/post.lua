-- wrk -s post.lua URL -- FILE CONTENT_TYPE: posts the file; ends with "requests microseconds failures".
function init(args)
  wrk.method = "POST"
  wrk.headers["Content-Type"] = args[2]
  local file = assert(io.open(args[1], "rb"))
  wrk.body = file:read("*a")
  file:close()
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failures = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format("%d %d %d", summary.requests, summary.duration, failures))
end
