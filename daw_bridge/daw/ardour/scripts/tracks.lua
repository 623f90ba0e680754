-- The tracks that stems come to: below their source, in its group, each in its stem's colour.

local use = ...
local made, selection, server = use("made"), use("selection"), use("server")

local function id_of(route)
  return route:to_stateful():id():to_s()
end

-- Whether stems of some channels can come to a track, for nothing is where they belong.
local function is_free(route, channels, job)
  local track = route:to_track()
  return not track:isnil() and not track:to_audio_track():isnil()
    and track:n_inputs():n_audio() == channels
    and #selection.regions_within(track, job.from, job.to) == 0
end

-- A track of a name, or of that name and a number, that is free; or nil, and a name that no track has.
local function find_free(name, channels, job)
  local number, tried = 0, name
  while true do
    local route = Session:route_by_name(tried)
    if route:isnil() then return nil, tried end
    if is_free(route, channels, job) then return route:to_track() end
    number = number + 1
    tried = ("%s %d"):format(name, number)
  end
end

-- Makes a track, so many places below the source if that is still there.
local function new_track(name, channels, source, places)
  local order, master = ARDOUR.PresentationInfo.max_order, Session:master_out()
  if not source:isnil() then order = source:presentation_info_ptr():order() + places end
  local outputs = master:isnil() and channels or master:n_inputs():n_audio()
  return Session:new_audio_track(
    channels, outputs, nil, 1, name, order, ARDOUR.TrackMode.Normal, false
  ):front()
end

local function group_of(source)
  if source:isnil() then return nil end
  for group in Session:route_groups():iter() do
    for member in group:route_list():iter() do
      if id_of(member) == id_of(source) then return group end
    end
  end
end

-- A group of the stems' own. It is switched off, so that one stem can be muted or heard alone.
local function own_group(name)
  for group in Session:route_groups():iter() do
    if group:name() == name then return group end
  end
  local group = Session:new_route_group(name)
  group:set_active(false, nil)
  group:set_color(false) -- each track keeps its own
  return group
end

-- The track for the stem of a number in a job's order: a free one of its name, or a new one.
local function for_stem(job, stem, number, channels)
  local source = Session:route_by_id(PBD.ID(job.track_id))
  local track, name = find_free(("%s – %s"):format(job.track, stem), channels, job)
  if track then return track end
  track = new_track(name, channels, source, number)
  local colour = server.colour(stem)
  if colour then track:presentation_info_ptr():set_color(colour) end
  local group = group_of(source) or own_group(job.track .. " – stems")
  group:add(track)
  return track:to_track()
end

-- Cuts regions where they reach out of a part of a track, as steps of the command that has begun.
local function cut(track, from, to)
  local playlist = track:playlist()
  playlist:to_stateful():clear_changes()
  for _, edge in ipairs({from, to}) do
    for _, region in ipairs(selection.regions_within(track, edge - 1, edge + 1)) do
      playlist:split_region(region, Temporal.timepos_t(edge))
    end
  end
  Session:add_stateful_diff_command(playlist:to_statefuldestructible())
end

-- Mutes what plays in a part of a track, as steps of the command that has begun.
local function mute(track, from, to)
  cut(track, from, to)
  for _, region in ipairs(selection.regions_within(track, from, to)) do
    region:to_stateful():clear_changes()
    region:set_muted(true)
    Session:add_stateful_diff_command(region:to_statefuldestructible())
  end
end

-- Mutes the source of a job; returns whether it is still there.
local function mute_source(job)
  local source = Session:route_by_id(PBD.ID(job.track_id))
  if source:isnil() or source:to_track():isnil() then return false end
  mute(source:to_track(), job.from, job.to)
  return true
end

return {for_stem = for_stem, mute_source = mute_source}
