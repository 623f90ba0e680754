-- Where stems go: tracks below their source, items on them like those that they come from.

local CUSTOM_COLOUR = 0x1000000 -- I_CUSTOMCOLOR: the colour counts
local items = dofile([==[@FOLDER@/modules/items.lua]==])

local tracks = {}

local function set(change, object, new_values)
  for name, value in pairs(new_values) do change(object, name, value) end
end

local function colour_of(stem, colours)
  local text = colours[stem] or colours.accompaniment or "#999999"
  local red, green, blue = text:match("^#(%x%x)(%x%x)(%x%x)$")
  if not red then return 0 end
  local function channel(hex) return tonumber(hex, 16) end
  return reaper.ColorToNative(channel(red), channel(green), channel(blue)) | CUSTOM_COLOUR
end

local function overlap(item, part)
  local position = reaper.GetMediaItemInfo_Value(item, "D_POSITION")
  local finish = position + reaper.GetMediaItemInfo_Value(item, "D_LENGTH")
  return position < part.position + part.length and finish > part.position
end

-- A track of a name that has nothing where the parts are; nil if there is none.
local function free_track(project, name, parts)
  local function is_free(track)
    for i = 0, reaper.CountTrackMediaItems(track) - 1 do
      for _, part in ipairs(parts) do
        if overlap(reaper.GetTrackMediaItem(track, i), part) then return false end
      end
    end
    return true
  end
  for i = 0, reaper.CountTracks(project) - 1 do
    local track = reaper.GetTrack(project, i)
    if select(2, reaper.GetTrackName(track)) == name and is_free(track) then return track end
  end
end

local function insert_track(project, number, name, colour)
  reaper.InsertTrackAtIndex(number, true)
  local track = reaper.GetTrack(project, number)
  reaper.GetSetMediaTrackInfo_String(track, "P_NAME", name, true)
  if colour then reaper.SetMediaTrackInfo_Value(track, "I_CUSTOMCOLOR", colour) end
  -- A track that closes a folder hands that on, so that what comes below it stays in the folder.
  local above = reaper.GetTrack(project, number - 1)
  local depth = reaper.GetMediaTrackInfo_Value(above, "I_FOLDERDEPTH")
  if depth < 0 then
    reaper.SetMediaTrackInfo_Value(above, "I_FOLDERDEPTH", 0)
    reaper.SetMediaTrackInfo_Value(track, "I_FOLDERDEPTH", depth)
  end
  return track
end

local function is_in_folder(track)
  return reaper.GetParentTrack(track) ~= nil
    or reaper.GetMediaTrackInfo_Value(track, "I_FOLDERDEPTH") == 1
end

-- The folder of a source's stems: the track below it, if that is one.
local function find_folder(project, number, name)
  local below = reaper.GetTrack(project, number)
  if not below or select(2, reaper.GetTrackName(below)) ~= name then return nil end
  return reaper.GetMediaTrackInfo_Value(below, "I_FOLDERDEPTH") == 1 and below
end

-- Makes tracks of some names below a source: in its folder, or else in a folder of their own where
-- there are several.
local function insert_tracks(project, source, names, colours)
  local number, made = reaper.GetMediaTrackInfo_Value(source.track, "IP_TRACKNUMBER"), {}
  local folder_name, folder = source.name .. " – stems"
  if find_folder(project, number, folder_name) then
    number = number + 1
  elseif #names > 1 and not is_in_folder(source.track) then
    folder = insert_track(project, number, folder_name)
    number = number + 1
  end
  for i, stem in ipairs(names) do
    local name = source.name .. " – " .. stem
    made[stem] = insert_track(project, number + i - 1, name, colour_of(stem, colours))
  end
  if folder then
    reaper.SetMediaTrackInfo_Value(folder, "I_FOLDERDEPTH", 1)
    reaper.SetMediaTrackInfo_Value(made[names[#names]], "I_FOLDERDEPTH", -1)
  end
  return made
end

-- The tracks for the stems of a source, {track, name, parts}, by the stems' names.
local function tracks_for(project, source, colours)
  local found, missing, seen = {}, {}, {}
  for _, part in ipairs(source.parts) do
    for _, stem in ipairs(part.stems) do
      local name = stem.name
      if not seen[name] then
        found[name] = free_track(project, source.name .. " – " .. name, source.parts)
        if not found[name] then missing[#missing + 1] = name end
      end
      seen[name] = true
    end
  end
  for stem, track in pairs(insert_tracks(project, source, missing, colours)) do
    found[stem] = track
  end
  return found
end

local function insert_item(track, part, stem)
  local item = reaper.AddMediaItemToTrack(track)
  set(reaper.SetMediaItemInfo_Value, item, part.item_values)
  set(reaper.SetMediaItemInfo_Value, item, {
    D_POSITION = part.position, D_LENGTH = part.length, B_LOOPSRC = part.loops and 1 or 0,
  })
  reaper.GetSetMediaItemInfo_String(item, items.MARK, stem.name, true)
  local take = reaper.AddTakeToMediaItem(item)
  reaper.SetMediaItemTake_Source(take, reaper.PCM_Source_CreateFromFile(stem.path))
  set(reaper.SetMediaItemTakeInfo_Value, take, part.take_values)
  reaper.SetMediaItemTakeInfo_Value(take, "D_STARTOFFS", part.offset)
  reaper.GetSetMediaItemTakeInfo_String(take, "P_NAME", part.name .. " – " .. stem.name, true)
end

-- Mutes what was separated, and only that: an item of which more can be heard is split.
local function mute(part)
  local item, position = part.item, part.position
  local finish = position + part.length
  if part.skipped > 0 then item = reaper.SplitMediaItem(item, position) end
  if part.left > 0 then reaper.SplitMediaItem(item, finish) end
  reaper.SetMediaItemInfo_Value(item, "B_MUTE", 1)
end

local function is_as_it_was(project, part)
  return reaper.ValidatePtr2(project, part.item, "MediaItem*")
    and reaper.GetMediaItemInfo_Value(part.item, "D_POSITION") == part.whole.position
    and reaper.GetMediaItemInfo_Value(part.item, "D_LENGTH") == part.whole.length
end

local function by_source(parts)
  local sources, of_track = {}, {}
  for _, part in ipairs(parts) do
    local source = of_track[part.track]
    if not source then
      source = {track = part.track, name = part.track_name, parts = {}}
      of_track[part.track], sources[#sources + 1] = source, source
    end
    table.insert(source.parts, part)
  end
  return sources
end

local function fill(project, source, colours)
  local found = tracks_for(project, source, colours)
  for _, part in ipairs(source.parts) do
    for _, stem in ipairs(part.stems) do insert_item(found[stem.name], part, stem) end
  end
end

-- Brings the stems of parts to tracks, and mutes the parts if that is wished; tells what fails.
function tracks.insert(project, parts, wishes, fail)
  for _, source in ipairs(by_source(parts)) do
    if reaper.ValidatePtr2(project, source.track, "MediaTrack*") then
      fill(project, source, wishes.colours)
    else
      for _, part in ipairs(source.parts) do
        fail(part.name, "its track is gone; the stems are in " .. part.job.folder)
      end
    end
  end
  for _, part in ipairs(wishes.mutes and parts or {}) do
    if is_as_it_was(project, part) then
      mute(part)
    elseif reaper.ValidatePtr2(project, part.track, "MediaTrack*") then
      fail(part.name, "it was changed meanwhile, so it is not muted.")
    end
  end
end

return tracks
