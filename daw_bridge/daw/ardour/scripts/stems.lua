-- What the scripts beside this file share: requests to `stemtool serve`, and what comes back.
--
--   <state>/server                  where the server listens, and its models
--   <state>/refused                 why the server took jobs not in, job=reason
--   <state>/ardour.settings         model=, stems= (as chosen last), dialogs=no (for automation)
--   <state>/ardour.log              every failure, as Ardour shows none
--   <session>/stems.pending         the jobs whose stems are to be imported, one a line
--   <session>/stems/<job>/status    how each of them is getting on

local STATE = [==[@STATE@]==]
local TITLE = "Separate selection into stems"
local RUNGS = {"quality:fast", "quality:good", "quality:best"} -- of the ladder, in place of a model
local NO_ANSWER =
  "No answer about '%s': is `stemtool serve` running, and is %s under its --root?"
local NOT_RUNNING = "stemtool is not running: start it with `stemtool serve`, then try again."
local REST_S = 60
local PATIENCE_S = {silent = 5, queued = math.huge, running = 300} -- without any change

--- Files

local function exists(path)
  return ARDOUR.LuaAPI.file_test(path, ARDOUR.LuaAPI.FileTest.Exists)
end

-- The pairs of a file of key=value lines, and their keys in order; nil if there is no such file.
local function read_pairs(path)
  local file = io.open(path)
  if not file then return nil end
  local pairs_read, keys = {}, {}
  for line in file:lines() do
    local key, value = line:match("^([^=]+)=(.*)$")
    if key then
      pairs_read[key] = value
      keys[#keys + 1] = key
    end
  end
  file:close()
  return pairs_read, keys
end

local function write(path, mode, lines)
  local file = assert(io.open(path, mode))
  for _, line in ipairs(lines) do file:write(line, "\n") end
  file:close()
end

local function settings()
  return read_pairs(STATE .. "/ardour.settings") or {}
end

local function log(message)
  pcall(write, STATE .. "/ardour.log", "a", {os.date("%Y-%m-%d %H:%M:%S ") .. message})
end

local function report(message)
  log(message)
  if settings().dialogs == "no" then return end
  LuaDialog.Message(TITLE, message, LuaDialog.MessageType.Warning, LuaDialog.ButtonType.Close):run()
end

-- An error for a person: unlike assert's in Lua 5.3, it does not say where in this file it was found.
local function demand(value, message)
  if not value then error(message, 0) end
  return value
end

-- Calls a function; an error in it is reported, for Ardour would drop the script without a word.
-- Returns whether there was none.
local function guarded(work, ...)
  local good, problem = pcall(work, ...)
  if not good then report(tostring(problem)) end
  return good
end

-- What the server says of itself, and the keys of that in order.
local function running_server()
  local server, keys = read_pairs(STATE .. "/server")
  demand(server, NOT_RUNNING)
  return server, keys
end

--- The selection

local function bounds(region)
  local position = region:position():samples()
  return position, position + region:length():samples()
end

-- Ardour's 'Set Range to Selected Regions' ends a range on their last sample, not after it.
local function exact_end(track, range_end)
  for region in track:playlist():region_list():iter() do
    local _, finish = bounds(region)
    if finish - 1 == range_end then return finish end
  end
  return range_end
end

local function track_of(region)
  for route in Session:get_tracks():iter() do
    local track = route:to_track()
    if not track:playlist():region_by_id(region:to_stateful():id()):isnil() then return track end
  end
end

local function holds_audio(track, from, to)
  for region in track:playlist():region_list():iter() do
    local position, finish = bounds(region)
    if position < to and finish > from then return not region:to_audioregion():isnil() end
  end
  return false
end

-- What is selected, as {track, from, to}: a range over tracks, or else regions.
local function selected_parts()
  local selection, parts = Editor:get_selection(), {}
  local from, to = selection.time:start_sample(), selection.time:end_sample()
  local function add(track, part_from, part_to)
    if holds_audio(track, part_from, part_to) then
      parts[#parts + 1] = {track = track, from = part_from, to = part_to}
    end
  end
  if from < to then
    for route in selection.tracks:routelist():iter() do
      local track = route:to_track()
      if not track:isnil() then add(track, from, exact_end(track, to)) end
    end
  else
    for region in selection.regions:regionlist():iter() do add(track_of(region), bounds(region)) end
  end
  return parts
end

--- Requests

-- Writes what a track plays between two samples, before its fader and plug-ins, to one mono file
-- a channel; returns their paths.
local function bounce(track, from, to)
  local region = track:bounce_range(
    from, to, ARDOUR.InterThreadInfo(), ARDOUR.LuaAPI.nil_proc(), false, track:name() .. " – mixture"
  )
  demand(not region:isnil(), ("'%s' cannot be bounced."):format(track:name()))
  local paths = {}
  for channel = 0, region:to_audioregion():n_channels() - 1 do
    paths[#paths + 1] = region:source(channel):to_filesource():path()
  end
  demand(#paths <= 2, ("'%s' is neither mono nor stereo."):format(track:name()))
  return paths
end

local function job_folder(name)
  return ARDOUR.LuaAPI.build_filename(Session:path(), "stems", name)
end

local function escaped(value)
  return (value:gsub("[%%;%c]", function(byte) return ("%%%02X"):format(byte:byte()) end))
end

-- Asks the server for the stems of a part of a track; returns the job. A model may also be a rung of
-- the ladder, such as "quality:good": the server then takes what suits the stems.
local function request(server, part, model, stems)
  local paths, track = bounce(part.track, part.from, part.to), part.track:name()
  local microsecond = ARDOUR.LuaAPI.monotonic_time() % 1000000
  local name = ("ardour-%s-%06d"):format(os.date("%Y%m%d-%H%M%S"), microsecond)
  local label = track:gsub("[/\\]", "-") -- it becomes a part of file names
  local options = "bits=32f;label=" .. escaped(label) -- as Ardour's own files: never turned down
  if stems ~= "" then options = options .. ";stems=" .. stems end
  local quality = model:match("^quality:(.+)$")
  if quality then model, options = "", options .. ";quality=" .. quality end
  ARDOUR.LuaOSC.Address(("osc.tcp://%s:%s"):format(server.host, server.port)):send(
    "/stems/separate", "sssdds" .. ("s"):rep(#paths),
    name, model, job_folder(name), 0, -1, options, table.unpack(paths)
  )
  local audio_folder = paths[1]:match("^(.*)[/\\]")
  return {
    name = name, position = part.from, track = track, channels = #paths, audio_folder = audio_folder,
  }
end

--- The dialog

-- The models of a server and the rungs of the ladder, the stems that any model has, and the model
-- that it takes by default.
local function offers(server, keys)
  local models, stems, seen, first = {}, {}, {}, nil
  for _, rung in ipairs(RUNGS) do models[rung] = rung end
  for _, key in ipairs(keys) do
    local model = key:match("^model:(.+)$")
    if model then
      models[model], first = model, first or model
      for stem in server[key]:gmatch("[^,]+") do
        if not seen[stem] then stems[#stems + 1] = stem end
        seen[stem] = true
      end
    end
  end
  return models, stems, first
end

local function lists(names, name)
  return ("," .. names .. ","):find("," .. name .. ",", 1, true) ~= nil
end

-- Asks for a model and stems, and keeps the answer for the next time; false if called off.
local function ask(server, keys)
  local last, models, stems, first = settings(), offers(server, keys)
  local model = models[last.model or ""] or first
  local rows = {
    {type = "dropdown", key = "model", title = "Model", values = models, default = model},
    {type = "heading", title = "Stems", align = "left"},
  }
  for _, stem in ipairs(stems) do
    local on = (last.stems or "") == "" or lists(last.stems, stem)
    rows[#rows + 1] = {type = "checkbox", key = "stem:" .. stem, title = stem, default = on}
  end
  local answer = LuaDialog.Dialog(TITLE, rows):run()
  if not answer then return false end
  local chosen, offered = {}, server["model:" .. answer.model] or table.concat(stems, ",")
  for stem in offered:gmatch("[^,]+") do
    if answer["stem:" .. stem] then chosen[#chosen + 1] = stem end
  end
  local names = table.concat(chosen, ",")
  if names == offered then names = "" end -- all, of another model too
  write(STATE .. "/ardour.settings", "w", {"model=" .. answer.model, "stems=" .. names})
  return true
end

--- Jobs whose stems are to be imported, in a file: Ardour may be closed before they are done

local function pending_path()
  return ARDOUR.LuaAPI.build_filename(Session:path(), "stems.pending")
end

local function write_pending(jobs, mode)
  if #jobs == 0 then return os.remove(pending_path()) end
  local lines = {}
  for index, job in ipairs(jobs) do
    lines[index] = ("%s\t%d\t%s"):format(job.name, job.position, job.track)
  end
  write(pending_path(), mode, lines)
end

local function read_pending()
  local jobs = {}
  if not exists(pending_path()) then return jobs end
  for line in io.lines(pending_path()) do
    local name, position, track = line:match("^(.-)\t(%d+)\t(.*)$")
    jobs[#jobs + 1] = name and {name = name, position = math.tointeger(position), track = track}
  end
  return jobs
end

--- Waiting

local changes = {} -- what each job's status was, and when it became so

-- Whether a job may still come to an end by itself.
local function is_under_way(job, status)
  local seen, text = changes[job.name], status.state .. (status.progress or "")
  if not seen or seen.text ~= text then
    seen = {text = text, since_s = os.time()}
    changes[job.name] = seen
  end
  local patience_s = PATIENCE_S[status.state] or 0
  if not exists(STATE .. "/server") then patience_s = math.min(patience_s, PATIENCE_S.silent) end
  return os.time() - seen.since_s < patience_s
end

-- What the server says of a job, and the keys of that in order: it makes no folder for one that it
-- does not take in.
local function status_of(job)
  local status, keys = read_pairs(job_folder(job.name) .. "/status")
  if status then return status, keys end
  local reason = (read_pairs(STATE .. "/refused") or {})[job.name]
  return reason and {state = "failed", message = reason}
end

-- The stems of a job as {name, path}, in the model's order; false while it is under way; or nil,
-- and why there are none.
local function outcome(job)
  local status, keys = status_of(job)
  if is_under_way(job, status or {state = "silent"}) then return false end
  if not status then return nil, NO_ANSWER:format(job.track, Session:path()) end
  if status.state ~= "done" then
    local reason = status.message or "the server is gone."
    return nil, ("'%s' was not separated: %s"):format(job.track, reason)
  end
  local stems = {}
  for _, key in ipairs(keys) do
    local name = key:match("^stem:(.+)$")
    if name then stems[#stems + 1] = {name = name, path = status[key]} end
  end
  return stems
end

--- The way back

local function new_region(path)
  local function regions()
    local found = {}
    for _, region in ARDOUR.RegionFactory.regions():iter() do
      found[region:to_stateful():id():to_s()] = region
    end
    return found
  end
  local before, files = regions(), C.StringVector()
  files:push_back(path)
  Editor:do_import(
    files, Editing.ImportDistinctFiles, Editing.ImportAsRegion, ARDOUR.SrcQuality.SrcBest,
    ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
    Temporal.timepos_t(0), ARDOUR.PluginInfo(), ARDOUR.Track(), false
  )
  for id, region in pairs(regions()) do
    if not before[id] then return region end
  end
  error(("%s cannot be imported."):format(path), 0)
end

-- Makes a track, below the one that the stem came from if that is still there.
local function new_track(name, channels, source_name, number)
  local order = ARDOUR.PresentationInfo.max_order
  local source, master = Session:route_by_name(source_name), Session:master_out()
  if not source:isnil() then order = source:presentation_info_ptr():order() + number end
  local outputs = master:isnil() and channels or master:n_inputs():n_audio()
  return Session:new_audio_track(
    channels, outputs, nil, 1, name, order, ARDOUR.TrackMode.Normal, false
  ):front()
end

-- Brings stems to new tracks. Undo takes all of them off again in one step; Ardour keeps the tracks.
local function import(job, stems)
  local placed = {}
  for number, stem in ipairs(stems) do
    local region, name = new_region(stem.path), ("%s – %s"):format(job.track, stem.name)
    local track = new_track(name, region:to_audioregion():n_channels(), job.track, number)
    placed[number] = {region = region, playlist = track:playlist()}
  end
  Session:begin_reversible_command(TITLE)
  for _, each in ipairs(placed) do
    each.playlist:to_stateful():clear_changes()
    each.playlist:add_region(each.region, Temporal.timepos_t(job.position), 1, false, 0, 0, false)
    Session:add_stateful_diff_command(each.playlist:to_statefuldestructible())
  end
  Session:commit_reversible_command(nil)
  log(("The stems of '%s' are at sample %d."):format(job.track, job.position))
end

--- What the scripts call

local function separate(asking)
  local parts = selected_parts()
  demand(#parts > 0, "Select audio regions, or a range on audio tracks, to separate.")
  local server, keys = running_server()
  if asking and settings().dialogs ~= "no" and not ask(server, keys) then return end
  local chosen = settings()
  for _, part in ipairs(parts) do
    local job = request(server, part, chosen.model or "", chosen.stems or "")
    write_pending({job}, "a")
  end
end

local function import_ended()
  local waiting, ended = {}, {}
  for _, job in ipairs(read_pending()) do
    job.stems, job.problem = outcome(job)
    table.insert(job.stems == false and waiting or ended, job)
  end
  if #ended == 0 then return end
  write_pending(waiting, "w")
  for _, job in ipairs(ended) do
    if job.stems then guarded(import, job, job.stems) else report(job.problem) end
  end
end

local rests_until_s = 0

-- Imports what is finished; is called every second. Rests for a minute after an error, which may
-- come back each time, and while it is at work: imports and messages let Ardour go on, and so call
-- this again.
local function import_finished()
  if os.time() < rests_until_s or Session:actively_recording() then return end
  rests_until_s = math.huge
  rests_until_s = guarded(import_ended) and 0 or os.time() + REST_S
end

return {
  separate = function(asking) guarded(separate, asking) end,
  import_finished = import_finished,
  -- for a session without a window
  bounds = bounds, demand = demand, new_track = new_track, outcome = outcome, request = request,
  running_server = running_server, write = write,
}
