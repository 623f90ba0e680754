-- Separates a track of a saved session, without a window, as far as Ardour's engine can: the stems'
-- tracks are made and saved, and the caller puts the stems on them.
--
--   ardour7-lua headless.lua STEMS_LUA RESULT SESSION_FOLDER SNAPSHOT TRACK MODEL STEMS
--
-- RESULT becomes a file with a line for each new track, of fields separated by tabs: its name, the
-- stem's file, its position and length in samples, its channels, and the session's folder of audio
-- files. If something goes wrong, it has one line that says what.

local shared, result, folder, snapshot, track_name, model, chosen = table.unpack(arg)
local POLL_S = 0.2
local stems = dofile(shared)

local function whole(track)
  local from, to = math.huge, 0
  for region in track:playlist():region_list():iter() do
    local position, finish = stems.bounds(region)
    from, to = math.min(from, position), math.max(to, finish)
  end
  stems.demand(from < to, ("There is nothing on the track '%s'."):format(track_name))
  return {track = track, from = from, to = to}
end

local function separate()
  local server = stems.running_server()
  stems.demand(load_session(folder, snapshot), ("%s cannot be loaded."):format(folder))
  local route = Session:route_by_name(track_name)
  local is_track = not route:isnil() and not route:to_track():to_audio_track():isnil()
  stems.demand(is_track, ("There is no audio track '%s' in %s."):format(track_name, folder))
  local part = whole(route:to_track())
  local job = stems.request(server, part, model, chosen)
  local found, problem
  repeat
    sleep(POLL_S)
    found, problem = stems.outcome(job)
  until found ~= false
  stems.demand(found, problem)
  local lines = {}
  for number, stem in ipairs(found) do
    local name = ("%s – %s"):format(track_name, stem.name)
    local track = stems.new_track(name, job.channels, track_name, number)
    lines[number] = ("%s\t%s\t%d\t%d\t%d\t%s"):format(
      track:name(), stem.path, part.from, part.to - part.from, job.channels, job.audio_folder
    )
  end
  Session:save_state("")
  return lines
end

local good, outcome = pcall(separate)
stems.write(result, "w", good and outcome or {outcome})
if Session then close_session() end
quit()
