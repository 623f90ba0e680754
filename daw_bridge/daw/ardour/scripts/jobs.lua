-- Jobs of the server: asked for, remembered until their stems are in the session, called off.
--
--   <session>/stems.pending        the jobs whose stems are to be imported, one a line
--   <session>/stems/<job>/status   how each of them is getting on

local use = ...
local files, selection, server = use("files"), use("selection"), use("server")

local NOT_ALLOWED = "the server may use files below %s, and %s is not there."
  .. " Quit Ardour, and let it by `stemtool daw install ardour --root DIR`."
local NO_ANSWER = "the server did not take it in; %s/serve.log may say why."
local PATIENCE_S = {silent = 40, outside = 5, queued = math.huge, running = 300} -- without any change
local CALL_S = {silent = 8, outside = 10, queued = 60, running = 60} -- from one call for the server to the next

local function job_folder(name)
  return ARDOUR.LuaAPI.build_filename(Session:path(), "stems", name)
end

--- Requests

-- The muted regions of a part of a track where nothing else is: what an earlier run muted.
local function all_muted(part)
  local regions = selection.regions_within(part.track, part.from, part.to)
  for _, region in ipairs(regions) do
    if not region:muted() then return {} end
  end
  return regions
end

-- Writes what a part of a track plays, before its fader and plug-ins, to one mono file a channel;
-- returns their paths. What is muted there plays if it is all there is.
local function bounce(part)
  local name, muted = part.track:name(), all_muted(part)
  for _, region in ipairs(muted) do region:set_muted(false) end
  local bounced = part.track:bounce_range(
    part.from, part.to, ARDOUR.InterThreadInfo(), ARDOUR.LuaAPI.nil_proc(), false, name .. " – mixture"
  )
  for _, region in ipairs(muted) do region:set_muted(true) end
  files.demand(not bounced:isnil(), ("'%s' cannot be bounced."):format(name))
  local paths = {}
  for channel = 0, bounced:to_audioregion():n_channels() - 1 do
    paths[#paths + 1] = bounced:source(channel):to_filesource():path()
  end
  files.demand(#paths <= 2, ("'%s' is neither mono nor stereo."):format(name))
  return paths
end

local function escaped(value)
  return (value:gsub("[%%;%c]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

-- The model of a choice, and the options of its request. A model may also be a rung of the ladder,
-- such as "quality:good": the server then takes what suits the stems.
local function model_and_options(choice, track)
  local label = track:gsub("[/\\]", "-") -- it becomes a part of file names
  local options = {"bits=32f", "label=" .. escaped(label)} -- as Ardour's own files: never turned down
  local model = choice.model or ""
  local quality = model:match("^quality:(.+)$")
  for key, value in pairs({stems = choice.stems, minus = choice.minus, quality = quality}) do
    if value ~= "" then options[#options + 1] = key .. "=" .. escaped(value) end
  end
  return quality and "" or model, table.concat(options, ";")
end

-- Sends a job's request: once more for one that the server did not hear, which is the same to it as once.
local function send(facts, job)
  server.send(
    facts, "/stems/separate", "sssdds" .. ("s"):rep(#job.paths),
    job.name, job.model, job_folder(job.name), 0, -1, job.options, table.unpack(job.paths)
  )
end

-- Asks the server for stems of a part of a track; returns the job.
local function request(facts, part, choice)
  local track, microsecond = part.track:name(), ARDOUR.LuaAPI.monotonic_time() % 1000000
  local job = {
    name = ("ardour-%s-%06d"):format(os.date("%Y%m%d-%H%M%S"), microsecond),
    from = part.from, to = part.to, track = track, track_id = part.track:to_stateful():id():to_s(),
    mute = choice.mute == "no" and "no" or "yes", paths = bounce(part),
  }
  job.model, job.options = model_and_options(choice, track)
  send(facts, job)
  return job
end

--- What is pending, in a file: Ardour may be closed before it is done

local function pending_path()
  return ARDOUR.LuaAPI.build_filename(Session:path(), "stems.pending")
end

local FIELDS = {"name", "from", "to", "track_id", "mute", "track", "model", "options"} -- then paths

local function line_of(job)
  local values = {}
  for index, field in ipairs(FIELDS) do values[index] = escaped(tostring(job[field])) end
  for _, path in ipairs(job.paths) do values[#values + 1] = escaped(path) end
  return table.concat(values, "\t")
end

local function job_of(line)
  local job, index = {paths = {}}, 0
  for value in (line .. "\t"):gmatch("([^\t]*)\t") do
    index = index + 1
    value = value:gsub("%%(%x%x)", function(digits) return string.char(tonumber(digits, 16)) end)
    if FIELDS[index] then job[FIELDS[index]] = value else table.insert(job.paths, value) end
  end
  job.from, job.to = math.tointeger(job.from), math.tointeger(job.to)
  return job
end

local function write_pending(jobs, mode)
  if #jobs == 0 then return os.remove(pending_path()) end
  local lines = {}
  for index, job in ipairs(jobs) do lines[index] = line_of(job) end
  files.write(pending_path(), mode, lines)
end

local function remember(job)
  write_pending({job}, "a")
end

local function pending()
  local jobs = {}
  if not files.exists(pending_path()) then return jobs end
  for line in io.lines(pending_path()) do jobs[#jobs + 1] = job_of(line) end
  return jobs
end

-- Calls all jobs off; returns how many there were.
local function cancel_all()
  local jobs, facts = pending(), server.facts_if_running()
  for _, job in ipairs(jobs) do
    if facts then server.send(facts, "/stems/cancel", "s", job.name) end
    files.log(("The separation of '%s' was called off."):format(job.track))
  end
  write_pending({}, "w")
  return #jobs
end

--- Waiting

local changes = {} -- what each job's status was, when it became so, and when its server was last called

-- Has a server run that knows of a job, in case that it went away since.
local function call_server(job, status)
  server.start()
  local facts = server.facts_if_running()
  if facts and status.state == "silent" then send(facts, job) end
end

-- Whether a job may still come to an end by itself.
local function is_under_way(job, status)
  local seen, now_s = changes[job.name], os.time()
  local text = status.state .. (status.progress or "")
  if not seen or seen.text ~= text then
    seen = {text = text, since_s = now_s, called_s = server.facts_if_running() and now_s or 0}
    changes[job.name] = seen
  end
  local patience_s = PATIENCE_S[status.state] or 0
  if patience_s > 0 and now_s - seen.called_s >= CALL_S[status.state] then
    seen.called_s = now_s
    call_server(job, status)
  end
  return now_s - seen.since_s < patience_s
end

-- What the server says of a job, and the keys of that in order: it makes no folder for one that it
-- does not take in, and does not answer where it may not look.
local function status_of(job)
  local status, keys = files.read_pairs(job_folder(job.name) .. "/status")
  if status then return status, keys end
  local reason = server.refusal(job.name)
  if reason then return {state = "failed", message = reason} end
  return {state = server.may_use(Session:path()) and "silent" or "outside"}
end

local function why_none(status)
  if status.state == "outside" then
    return NOT_ALLOWED:format(table.concat(server.roots(), ", "), Session:path())
  end
  if status.state == "silent" then return NO_ANSWER:format(files.STATE) end
  return status.message or "the server is gone."
end

local function stems_in(status, keys)
  local stems = {}
  for _, key in ipairs(keys) do
    local name = key:match("^stem:(.+)$")
    if name then stems[#stems + 1] = {name = name, path = status[key]} end
  end
  return stems
end

-- The stems of a job as {name, path}, in the model's order; false and how far it is while it is under
-- way; or nil, and why there are none.
local function outcome(job)
  local status, keys = status_of(job)
  if is_under_way(job, status) then return false, tonumber(status.progress) or 0 end
  changes[job.name] = nil
  if status.state == "done" then return stems_in(status, keys) end
  return nil, why_none(status)
end

return {
  cancel_all = cancel_all, outcome = outcome, pending = pending, remember = remember,
  request = request, write_pending = write_pending,
}
