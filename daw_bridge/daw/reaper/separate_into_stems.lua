-- @description Separate into stems
-- @about Separates the selected items, or else what the selected tracks hold in the time selection,
--   through the running `stemtool serve`, and puts each stem on a track of its own below its source.
--   Tested against a stub of REAPER (tests/daw/reaper.lua), not in REAPER.

local STATE = [==[@STATE@]==]
local STEMTOOL = [==[@STEMTOOL@]==]

local TITLE = "Separate into stems"
local POLL_S = 0.25
local FRAME_TOLERANCE = 1e-6 -- what times in seconds lose against whole frames
local AT_ONCE = 3 -- the server queues them: more would only be more waiting processes
local PATIENCE_S = {starting = 20, queued = math.huge, running = 180} -- without any change
local NO_WAIT_MINIMIZED = -2 -- ExecProcess: do not wait, and keep Windows' console out of sight
local CUSTOM_COLOUR = 0x1000000 -- I_CUSTOMCOLOR: the colour counts
local COLOURS = {
  vocals = {214, 90, 90}, accompaniment = {90, 130, 200}, drums = {220, 160, 70},
  bass = {120, 90, 190}, piano = {90, 180, 160}, guitar = {190, 120, 70}, other = {110, 160, 90},
}
local OTHER_COLOUR = {140, 140, 140}
-- What a stem's item takes over from its source, so that the stems together sound as it did.
local SAME_FOR_ITEMS = {"D_VOL", "D_FADEINLEN", "D_FADEOUTLEN", "C_FADEINSHAPE", "C_FADEOUTSHAPE"}
local SAME_FOR_TAKES = {"D_VOL", "D_PAN", "D_PLAYRATE", "D_PITCH", "B_PPITCH", "I_CHANMODE"}

local project = reaper.EnumProjects(-1)

--- What is to be separated

local function values(get, object, names)
  local found = {}
  for _, name in ipairs(names) do found[name] = get(object, name) end
  return found
end

-- The part of an item between two times, or nil if it lies outside them.
local function part_of(item, from, to)
  local position = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
  local finish = position + reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
  from, to = math.max(position, from), math.min(finish, to)
  if from >= to then return nil end
  return {
    item = item, position = from, length = to - from,
    skipped = from - position, left = finish - to,
  }
end

local function chosen_parts()
  local parts = {}
  for i = 0, reaper.CountSelectedMediaItems(project) - 1 do
    local item = reaper.GetSelectedMediaItem(project, i)
    parts[#parts + 1] = part_of(item, -math.huge, math.huge)
  end
  if #parts > 0 then return parts end
  local from, to = reaper.GetSet_LoopTimeRange2(project, false, false, 0, 0, false)
  for t = 0, reaper.CountSelectedTracks(project) - 1 do
    local track = reaper.GetSelectedTrack(project, t)
    for i = 0, reaper.CountTrackMediaItems(track) - 1 do
      parts[#parts + 1] = part_of(reaper.GetTrackMediaItem(track, i), from, to)
    end
  end
  return parts
end

-- Which seconds of its file a part plays, out to whole frames; the take's offset makes up for those.
local function find_range(part, take, source)
  local rate_hz = reaper.GetMediaSourceSampleRate(source)
  local speed = reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE")
  local from = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS") + part.skipped * speed
  local to = from + part.length * speed
  local total = reaper.GetMediaSourceLength(source)
  local loops = reaper.GetMediaItemInfo_Value(part.item, "B_LOOPSRC") == 1
  part.loops = loops and (from < 0 or to > total + 1 / rate_hz)
  if part.loops then
    part.start, part.duration, part.offset = 0, nil, from
  else
    local first = math.floor(math.max(from, 0) * rate_hz + FRAME_TOLERANCE)
    local last = math.ceil(math.min(to, total) * rate_hz - FRAME_TOLERANCE)
    part.start, part.duration = first / rate_hz, (last - first) / rate_hz
    part.offset = from - part.start
  end
end

-- A take's name, without the extension where REAPER took the name from its file.
local function name_of(take, file)
  local name = reaper.GetTakeName(take)
  if file:sub(-#name) == name then name = name:gsub("%.%w+$", "") end
  return name
end

-- Everything that is needed later is read now: the user goes on working meanwhile.
local function describe(part)
  local take = reaper.GetActiveTake(part.item)
  if not take then return "An empty item cannot be separated." end
  local source = reaper.GetMediaItemTake_Source(take)
  part.file = reaper.GetMediaSourceFileName(source)
  part.name = name_of(take, part.file)
  if part.file == "" or reaper.GetTakeNumStretchMarkers(take) > 0 then
    return part.name .. ": MIDI, reversed, sectioned and stretched items have to be glued first."
  end
  if not reaper.file_exists(part.file) then
    return ("%s: there is no file %s."):format(part.name, part.file)
  end
  part.track = reaper.GetMediaItem_Track(part.item)
  part.track_name = select(2, reaper.GetTrackName(part.track))
  part.item_values = values(reaper.GetMediaItemInfo_Value, part.item, SAME_FOR_ITEMS)
  if part.skipped > 0 then part.item_values.D_FADEINLEN = 0 end
  if part.left > 0 then part.item_values.D_FADEOUTLEN = 0 end
  part.take_values = values(reaper.GetMediaItemTakeInfo_Value, take, SAME_FOR_TAKES)
  find_range(part, take, source)
  if part.duration and part.duration <= 0 then
    return part.name .. ": the item plays nothing of its file."
  end
end

--- The server

-- A file of key=value lines; its stem:NAME=PATH lines are also listed, in their order.
local function read_pairs(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local found = {stems = {}, text = file:read("a")}
  file:close()
  for key, value in found.text:gmatch("([^=\r\n]+)=([^\r\n]*)") do
    found[key] = value
    local stem = key:match("^stem:(.+)$")
    if stem then table.insert(found.stems, {name = stem, path = value}) end
  end
  return found
end

-- Windows has no shell in between and no quotes in names of files; none of our words ends in "\".
local function quote_for_windows(word)
  return '"' .. word .. '"'
end

local function quote_for_sh(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function join(words, quote)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = quote(word) end
  return table.concat(quoted, " ")
end

-- How REAPER splits a command line is not documented. Windows programs do it themselves; elsewhere
-- sh reads it from a file, so that two plain words are all there is to split.
local function run_in_background(words)
  local command
  if reaper.GetOS():match("^Win") then
    command = join(words, quote_for_windows)
  else
    local script = os.tmpname()
    local file = assert(io.open(script, "wb"))
    file:write("rm -f ", script, "\nexec ", join(words, quote_for_sh), " >/dev/null 2>&1\n")
    file:close()
    command = "/bin/sh " .. script
  end
  reaper.ExecProcess(command, NO_WAIT_MINIMIZED)
end

local function start(part, server)
  reaper.RecursiveCreateDirectory(part.folder, 0)
  local words = {
    STEMTOOL, "send", part.file, "-o", part.folder, "--to", server.host .. ":" .. server.port,
    "--label=" .. part.name:gsub('[%c/\\:*?"<>|]', "_"), "--quiet",
    "--start", ("%.9f"):format(part.start),
  }
  if part.duration then
    table.insert(words, "--length")
    table.insert(words, ("%.9f"):format(part.duration))
  end
  run_in_background(words)
  part.state, part.changed = "starting", reaper.time_precise()
end

-- Looks once at a part that is under way. Ends in the state "done" or "failed".
local function look(part)
  local now = reaper.time_precise()
  local status = read_pairs(part.folder .. "/status")
  if status and status.text ~= part.text then
    part.text, part.changed = status.text, now
    part.state, part.progress = status.state, tonumber(status.progress)
    part.stems, part.message = status.stems, status.message
  end
  if part.state == "cancelled" then part.state, part.message = "failed", "it was cancelled." end
  if now - part.changed > (PATIENCE_S[part.state] or math.huge) then
    part.state = "failed"
    part.message = "no answer. Is `stemtool serve` running, and is " .. part.folder
      .. " under its --root?"
  end
end

--- New tracks and items

local function set(change, object, new_values)
  for name, value in pairs(new_values) do change(object, name, value) end
end

local function insert_track(source, index, name, stem)
  local number = reaper.GetMediaTrackInfo_Value(source, "IP_TRACKNUMBER") + index - 1
  reaper.InsertTrackAtIndex(number, true)
  local track = reaper.GetTrack(project, number)
  local colour = reaper.ColorToNative(table.unpack(COLOURS[stem] or OTHER_COLOUR))
  reaper.GetSetMediaTrackInfo_String(track, "P_NAME", name .. " – " .. stem, true)
  reaper.SetMediaTrackInfo_Value(track, "I_CUSTOMCOLOR", colour | CUSTOM_COLOUR)
  -- A track that closes a folder hands that on, so that its stems stay in the folder.
  local above = reaper.GetTrack(project, number - 1)
  local depth = reaper.GetMediaTrackInfo_Value(above, "I_FOLDERDEPTH")
  if depth < 0 then
    reaper.SetMediaTrackInfo_Value(above, "I_FOLDERDEPTH", 0)
    reaper.SetMediaTrackInfo_Value(track, "I_FOLDERDEPTH", depth)
  end
  return track
end

-- The track for a stem of what lies on a part's track: made once, in the order of the stems.
local function track_for(made, part, stem)
  made[part.track] = made[part.track] or {count = 0}
  local tracks = made[part.track]
  if not tracks[stem] then
    tracks.count = tracks.count + 1
    tracks[stem] = insert_track(part.track, tracks.count, part.track_name, stem)
  end
  return tracks[stem]
end

local function insert_item(track, part, stem)
  local item = reaper.AddMediaItemToTrack(track)
  set(reaper.SetMediaItemInfo_Value, item, part.item_values)
  set(reaper.SetMediaItemInfo_Value, item, {
    D_POSITION = part.position, D_LENGTH = part.length, B_LOOPSRC = part.loops and 1 or 0,
  })
  local take = reaper.AddTakeToMediaItem(item)
  reaper.SetMediaItemTake_Source(take, reaper.PCM_Source_CreateFromFile(stem.path))
  set(reaper.SetMediaItemTakeInfo_Value, take, part.take_values)
  reaper.SetMediaItemTakeInfo_Value(take, "D_STARTOFFS", part.offset)
  reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", part.name .. " – " .. stem.name, true)
end

local function insert(part, made)
  if not reaper.ValidatePtr2(project, part.track, "MediaTrack*") then
    return ("%s: its track is gone; the stems are in %s"):format(part.name, part.folder)
  end
  for _, stem in ipairs(part.stems) do
    insert_item(track_for(made, part, stem.name), part, stem)
  end
end

--- From the start to the end

local failures = {}

local function fail(message)
  failures[#failures + 1] = message
end

local function report()
  if #failures > 0 then reaper.ShowMessageBox(table.concat(failures, "\n\n"), TITLE, 0) end
end

local function insert_all(parts)
  local made = {}
  reaper.Undo_BeginBlock2(project)
  reaper.PreventUIRefresh(1)
  for _, part in ipairs(parts) do
    local ran, problem = pcall(insert, part, made) -- whatever happens, the undo block is closed
    if not ran or problem then fail(problem) end
  end
  reaper.PreventUIRefresh(-1)
  reaper.Undo_EndBlock2(project, TITLE, -1)
  reaper.UpdateArrange()
end

local function finish(parts)
  if not reaper.ValidatePtr(project, "ReaProject*") then return end -- it was closed
  if reaper.EnumProjects(-1) ~= project then -- another tab: new tracks would go there
    return reaper.defer(function() finish(parts) end)
  end
  local done = {}
  for _, part in ipairs(parts) do
    if part.state == "done" then
      done[#done + 1] = part
    else
      fail(part.name .. ": " .. (part.message or "failed."))
    end
  end
  if #done > 0 then insert_all(done) end
  reaper.Help_Set("", true)
  report()
end

-- Starts, looks and shows the progress; returns whether all parts have come to an end.
local function advance(parts, server)
  local under_way, ended, progress = 0, 0, 0
  for _, part in ipairs(parts) do
    if not part.state and under_way < AT_ONCE then start(part, server) end
    if PATIENCE_S[part.state] then look(part) end
    if PATIENCE_S[part.state] then
      under_way = under_way + 1
      progress = progress + (part.progress or 0)
    elseif part.state then
      ended = ended + 1
    end
  end
  local percent = 100 * (ended + progress) / #parts
  reaper.Help_Set(("%s: %d of %d, %.0f %%"):format(TITLE, ended, #parts, percent), true)
  return ended == #parts
end

local function watch(parts, server)
  local next_look = 0
  local function step()
    local now = reaper.time_precise()
    if now >= next_look then
      next_look = now + POLL_S
      if advance(parts, server) then return finish(parts) end
    end
    reaper.defer(step)
  end
  step()
end

local function main()
  local server = read_pairs(STATE .. "/server")
  if not server then
    fail("The server is not running. Start it with `stemtool serve`, then run this again.")
    return report()
  end
  local parts, chosen = {}, chosen_parts()
  if #chosen == 0 then fail("Select items, or tracks and a time selection over their items.") end
  for _, part in ipairs(chosen) do
    local problem = describe(part)
    if problem then
      fail(problem)
    else
      parts[#parts + 1] = part
      part.folder = ("%s/stems/reaper-%d-%d"):format(reaper.GetProjectPath(), os.time(), #parts)
    end
  end
  if #parts == 0 then return report() end
  watch(parts, server)
end

main()
