-- The load of one measurement: POSTs of one kind, over and over, to one path.
--
--   wrk … -s load.lua http://HOST:PORT -- KIND PATH AUTHORIZATION_FILE [TOKENS_FILE [verify]]
--
-- KIND is introspect (each request asks about the next token of the file) or issue (client credentials). AUTHORIZATION_FILE holds the
-- value of the Authorization header. All requests are made beforehand, so that the load generator costs as little as it can; `verify`
-- looks into every answer, which costs more, and is for counting answers, not for measuring. At the end it prints one line of JSON.

local threads = {}

local function read_lines(path)
    local lines = {}
    for line in io.lines(path) do
        if line ~= "" then
            lines[#lines + 1] = line
        end
    end
    return lines
end

function setup(thread)
    threads[#threads + 1] = thread
end

function init(args)
    local kind, path, authorization, tokens, verify = args[1], args[2], read_lines(args[3])[1], args[4], args[5]
    local headers = { ["Authorization"] = authorization, ["Content-Type"] = "application/x-www-form-urlencoded" }
    prepared, position, active, granted = {}, 0, 0, 0
    if kind == "introspect" then
        for _, token in ipairs(read_lines(tokens)) do
            prepared[#prepared + 1] = wrk.format("POST", path, headers, "token=" .. token)
        end
    else
        prepared[1] = wrk.format("POST", path, headers, "grant_type=client_credentials")
    end
    if #prepared == 0 then
        error("no tokens in " .. tostring(tokens))
    end
    if verify == "verify" then
        response = function(status, _, body)
            if status == 200 and body:find('"active":true', 1, true) then
                active = active + 1
            end
            if status == 200 and body:find('"access_token"', 1, true) then
                granted = granted + 1
            end
        end
    end
end

function request()
    position = position % #prepared + 1
    return prepared[position]
end

function done(summary, latency, _)
    local active_total, granted_total = 0, 0
    for _, thread in ipairs(threads) do
        active_total = active_total + thread:get("active")
        granted_total = granted_total + thread:get("granted")
    end
    local errors = summary.errors
    io.write(string.format(
        'JSON {"requests":%d,"seconds":%.6f,"per_second":%.1f,"p50_us":%d,"p90_us":%d,"p99_us":%d,"max_us":%d,'
            .. '"bytes":%d,"errors":{"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d},"active":%d,"granted":%d}\n',
        summary.requests, summary.duration / 1e6, summary.requests / (summary.duration / 1e6),
        latency:percentile(50), latency:percentile(90), latency:percentile(99), latency.max,
        summary.bytes, errors.connect, errors.read, errors.write, errors.timeout, errors.status, active_total, granted_total
    ))
end
