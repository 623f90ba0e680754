-- What is selected, as parts of tracks: {track, from, to}, in samples.

local use = ...
local made = use("made")

local function bounds(region)
  local position = region:position():samples()
  return position, position + region:length():samples()
end

-- The regions of a track that play between two samples.
local function regions_within(track, from, to)
  local found = {}
  for region in track:playlist():region_list():iter() do
    local position, finish = bounds(region)
    if position < to and finish > from then found[#found + 1] = region end
  end
  return found
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

-- A part of a track, and whether all that is there are stems; nil where no audio is.
local function part_of(track, from, to)
  local regions, are_stems = regions_within(track, from, to), true
  if #regions == 0 or regions[1]:to_audioregion():isnil() then return nil end
  for _, region in ipairs(regions) do are_stems = are_stems and made.is_stem(region) end
  return {track = track, from = from, to = to, are_stems = are_stems}
end

local function parts_of_range(selection)
  local from, to, parts = selection.time:start_sample(), selection.time:end_sample(), {}
  for route in selection.tracks:routelist():iter() do
    local track = route:to_track()
    parts[#parts + 1] = not track:isnil() and part_of(track, from, exact_end(track, to)) or nil
  end
  return parts
end

local function parts_of_regions(selection)
  local parts = {}
  for region in selection.regions:regionlist():iter() do
    parts[#parts + 1] = part_of(track_of(region), bounds(region))
  end
  return parts
end

-- Parts of one track that overlap, as one.
local function joined(parts)
  local by_track, result = {}, {}
  table.sort(parts, function(one, other) return one.from < other.from end)
  for _, part in ipairs(parts) do
    local track = part.track:to_stateful():id():to_s()
    local last = by_track[track]
    if last and part.from < last.to then
      last.to = math.max(last.to, part.to)
    else
      by_track[track], result[#result + 1] = part, part
    end
  end
  return result
end

-- What is to be separated, and how many stems of earlier runs are left out, as they are not alone.
local function wanted(parts)
  local sources = {}
  for _, part in ipairs(parts) do
    if not part.are_stems then sources[#sources + 1] = part end
  end
  if #sources == 0 then return parts, 0 end
  return sources, #parts - #sources
end

-- A range over tracks, or else regions; and how many stems are left out of it.
local function selected()
  local selection = Editor:get_selection()
  local is_range = selection.time:start_sample() < selection.time:end_sample()
  local parts, left_out = wanted(is_range and parts_of_range(selection) or parts_of_regions(selection))
  return joined(parts), left_out
end

return {bounds = bounds, regions_within = regions_within, selected = selected}
