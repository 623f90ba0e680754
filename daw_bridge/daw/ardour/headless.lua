-- Separates a track of a saved session, without a window, as far as Ardour's engine can: the stems'
-- tracks are found or made and saved, and the caller puts the stems on them.
--
--   ardour7-lua headless.lua STEMS_LUA RESULT SESSION_FOLDER SNAPSHOT TRACK MODEL STEMS MINUS MUTE
--
-- RESULT becomes a file with a line for each stem, of fields separated by tabs: its track, the stem's
-- file, its position and length in samples, its channels, and the session's folder of audio files. If
-- something goes wrong, it has one line that says what.

local stems, result, folder, snapshot, track_name = table.unpack(arg)
local choice = {model = arg[6], stems = arg[7], minus = arg[8], mute = arg[9]}
local POLL_S = 0.2
local use = dofile(stems).use
local files, jobs, selection, tracks = use("files"), use("jobs"), use("selection"), use("tracks")

local function whole(track)
  local from, to = math.huge, 0
  for region in track:playlist():region_list():iter() do
    local position, finish = selection.bounds(region)
    from, to = math.min(from, position), math.max(to, finish)
  end
  files.demand(from < to, ("There is nothing on the track '%s'."):format(track_name))
  return {track = track, from = from, to = to}
end

local function find_track()
  local route = Session:route_by_name(track_name)
  local is_audio = not route:isnil() and not route:to_track():isnil()
    and not route:to_track():to_audio_track():isnil()
  files.demand(is_audio, ("There is no audio track '%s' in %s."):format(track_name, folder))
  return route:to_track()
end

-- The stems of a job, once they are there.
local function awaited(job)
  local found, problem
  repeat
    sleep(POLL_S)
    found, problem = jobs.outcome(job)
  until found ~= false
  return files.demand(found, ("'%s' was not separated: %s"):format(track_name, problem))
end

local function separate()
  local facts = files.demand(use("server").facts_if_running(), "stemtool is not running.")
  files.demand(load_session(folder, snapshot), ("%s cannot be loaded."):format(folder))
  local job = jobs.request(facts, whole(find_track()), choice)
  local audio_folder, lines = job.paths[1]:match("^(.*)[/\\]"), {}
  for number, stem in ipairs(awaited(job)) do
    local track = tracks.for_stem(job, stem.name, number, #job.paths)
    lines[number] = ("%s\t%s\t%d\t%d\t%d\t%s"):format(
      track:name(), stem.path, job.from, job.to - job.from, #job.paths, audio_folder
    )
  end
  if job.mute == "yes" then tracks.mute_source(job) end
  Session:save_state("")
  return lines
end

local good, outcome = pcall(separate)
files.write(result, "w", good and outcome or {outcome})
if Session then close_session() end
quit()
