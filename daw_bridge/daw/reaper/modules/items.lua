-- What is to be separated: parts of items, read from the project once, for its user goes on working.

local FRAME_TOLERANCE = 1e-6 -- what times in seconds lose against whole frames
-- What a stem's item takes over from its source, so that the stems together sound as it did.
local SAME_FOR_ITEMS = {"D_VOL", "D_FADEINLEN", "D_FADEOUTLEN", "C_FADEINSHAPE", "C_FADEOUTSHAPE"}
local SAME_FOR_TAKES = {"D_VOL", "D_PAN", "D_PLAYRATE", "D_PITCH", "B_PPITCH", "I_CHANMODE"}

local items = {MARK = "P_EXT:daw_bridge"} -- of an item that is a stem

local function values(get, object, names)
  local found = {}
  for _, name in ipairs(names) do found[name] = get(object, name) end
  return found
end

-- The part of an item between two times, or nil if it lies outside them.
local function part_of(item, from, to)
  local position = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
  local length = reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
  local finish = position + length
  from, to = math.max(position, from), math.min(finish, to)
  if from >= to then return nil end
  return {
    item = item, position = from, length = to - from,
    skipped = from - position, left = finish - to,
    whole = {position = position, length = length},
  }
end

local function selected_parts(project)
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

local function is_stem(part)
  local _, mark = reaper.GetSetMediaItemInfo_String(part.item, items.MARK, "", false)
  return mark ~= ""
end

-- What is selected, without the stems of earlier runs unless there is nothing else; and how many of
-- these are left out.
function items.chosen(project)
  local all, others = selected_parts(project), {}
  for _, part in ipairs(all) do
    if not is_stem(part) then others[#others + 1] = part end
  end
  if #others == 0 then return all, 0 end
  return others, #all - #others
end

-- Which frames of its file a part plays; the take's offset makes up for those.
local function find_range(part, take, source)
  local rate_hz = reaper.GetMediaSourceSampleRate(source)
  local speed = reaper.GetMediaItemTakeInfo_Value(take, "D_PLAYRATE")
  local from = reaper.GetMediaItemTakeInfo_Value(take, "D_STARTOFFS") + part.skipped * speed
  local to = from + part.length * speed
  local total = reaper.GetMediaSourceLength(source)
  local loops = reaper.GetMediaItemInfo_Value(part.item, "B_LOOPSRC") == 1
  part.loops = loops and (from < 0 or to > total + 1 / rate_hz)
  if part.loops then
    part.start, part.frames, part.offset = 0, nil, from
  else
    part.start = math.floor(math.max(from, 0) * rate_hz + FRAME_TOLERANCE)
    part.frames = math.ceil(math.min(to, total) * rate_hz - FRAME_TOLERANCE) - part.start
    part.offset = from - part.start / rate_hz
  end
end

-- A take's name, without the extension where REAPER took the name from its file.
local function name_of(take, file)
  local name = reaper.GetTakeName(take)
  if file:sub(-#name) == name then name = name:gsub("%.%w+$", "") end
  return name
end

-- Reads all that is needed of a part; returns why it cannot be separated, if that is so.
function items.describe(part)
  local take = reaper.GetActiveTake(part.item)
  part.name = "An item"
  if not take then return "it is empty." end
  local source = reaper.GetMediaItemTake_Source(take)
  part.file = reaper.GetMediaSourceFileName(source)
  part.name = name_of(take, part.file)
  if part.file == "" or reaper.GetTakeNumStretchMarkers(take) > 0 then
    return "MIDI, reversed, sectioned and stretched items have to be glued first."
  end
  if part.file:find("%c") then return "rename its file, which has a line break in its name." end
  if not reaper.file_exists(part.file) then
    return ("there is no file %s."):format(part.file)
  end
  part.track = reaper.GetMediaItem_Track(part.item)
  part.track_name = select(2, reaper.GetTrackName(part.track))
  part.item_values = values(reaper.GetMediaItemInfo_Value, part.item, SAME_FOR_ITEMS)
  if part.skipped > 0 then part.item_values.D_FADEINLEN = 0 end
  if part.left > 0 then part.item_values.D_FADEOUTLEN = 0 end
  part.take_values = values(reaper.GetMediaItemTakeInfo_Value, take, SAME_FOR_TAKES)
  find_range(part, take, source)
  if part.frames and part.frames <= 0 then return "it plays nothing of its file." end
end

return items
