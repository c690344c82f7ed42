-- post - the load of the benchmarks: POST one body again and again; the figures as one JSON line.
--
--     wrk -t1 -c16 -d1s -s post.lua http://127.0.0.1:8080/run -- BODY-FILE

function init(args)
    local file = assert(io.open(args[1], "rb"), "post.lua: cannot open the body's file")

    -- Set once and never changed: wrk then builds the request once and runs no Lua for each.
    wrk.method = "POST"
    wrk.body = file:read("*a")
    wrk.headers["Content-Type"] = "application/json"
    file:close()
end

function done(summary, latency, requests)
    local errors = summary.errors
    local form = '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"max_us":%d,'
        .. '"failed":%d,"refused":%d}\n'

    io.write(form:format(summary.requests, summary.duration, latency:percentile(50),
        latency:percentile(99), latency.max, errors.connect + errors.read + errors.write
        + errors.timeout, errors.status))
end
