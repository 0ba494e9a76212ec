-- Sends the requests of a file in turn, and prints what happened as one line of JSON.
-- A line of the file: method, path, Authorization, body, DPoP; parted by tabs, empty where there is none.
local requests, at = {}, 0

function init(arguments)
    for line in io.lines(arguments[1]) do
        local method, path, authorization, body, proof = line:match("^([^\t]*)\t([^\t]*)\t([^\t]*)\t([^\t]*)\t(.*)$")
        local headers = {}
        if authorization ~= "" then headers["Authorization"] = authorization end
        if proof ~= "" then headers["DPoP"] = proof end
        if body ~= "" then headers["Content-Type"] = "application/x-www-form-urlencoded" end
        requests[#requests + 1] = wrk.format(method, path, headers, body ~= "" and body or nil)
    end
end

function request()
    at = at % #requests + 1
    return requests[at]
end

function done(summary, latency)
    io.write(string.format(
        '{"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "broken": %d}\n',
        summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
        summary.errors.status, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
