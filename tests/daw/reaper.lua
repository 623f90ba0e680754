-- A stand-in for REAPER: runs a script on a project and prints what has become of the project.
--
--     lua5.4 reaper.lua SCRIPT PROJECT
--
-- PROJECT is a Lua file that returns {os=, path=, time_selection={from, to}, tracks={…}}. Each track,
-- item and take is a table of the parameters that REAPER knows them by; what is missing has REAPER's
-- default, and a parameter that REAPER does not have is an error. Background commands really run,
-- except with os="Win64", which this cannot be: time then passes without being waited for.
-- at_each_tick is what the user does meanwhile, who sees the text that is shown. clicks is what they
-- click in the script's window, one thing after the other, once it is there: a text; the label of an
-- item of a menu that pops up; or "<close>", the window's own button. ext_state is what REAPER
-- remembers of earlier runs.

local script_path, project_path = arg[1], arg[2]
local TICK_S = 0.05
local DEADLINE_S = 120

local DEFAULTS = {
  track = {name = "", selected = false, I_FOLDERDEPTH = 0, I_CUSTOMCOLOR = 0},
  item = {
    selected = false, mark = "", B_MUTE = 0, D_POSITION = 0, D_LENGTH = 0, B_LOOPSRC = 0, D_VOL = 1, D_FADEINLEN = 0,
    D_FADEOUTLEN = 0, C_FADEINSHAPE = 0, C_FADEOUTSHAPE = 0,
  },
  take = {
    name = "", file = "", rate_hz = 44100, seconds = 0, stretch_markers = 0, D_STARTOFFS = 0,
    D_VOL = 1, D_PAN = 0, D_PLAYRATE = 1, D_PITCH = 0, B_PPITCH = 1, I_CHANMODE = 0,
  },
}

local project = dofile(project_path)
local is_windows = project.os == "Win64"
local trace = {messages = {}, undo = {}, commands = {}, menus = {}, texts = {}, deferred = 0}
local track_of = {}
local queue, clock_s, undo_depth, refresh_depth = {}, 0, 0, 0

local function fill(kind, object)
  for name, value in pairs(DEFAULTS[kind]) do
    if object[name] == nil then object[name] = value end
  end
  return object
end

for _, track in ipairs(project.tracks) do
  fill("track", track).items = track.items or {}
  for _, item in ipairs(track.items) do
    track_of[fill("item", item)] = track
    if item.take then fill("take", item.take) end
  end
end

local function number_in(objects, object)
  for number, other in ipairs(objects) do
    if other == object then return number end
  end
end

local function number_of(track) return number_in(project.tracks, track) end

local function getter(kind)
  return function(object, name)
    if name == "IP_TRACKNUMBER" then return number_of(object) end
    assert(type(DEFAULTS[kind][name]) == "number", "no parameter of a " .. kind .. ": " .. name)
    return object[name]
  end
end

local function setter(kind)
  local get = getter(kind)
  return function(object, name, value)
    get(object, name)
    assert(undo_depth == 1, "changed outside of an undo block: " .. name)
    object[name] = assert(tonumber(value))
    return true
  end
end

local function set_name(object, name, value, is_new)
  assert(name == "P_NAME" and is_new)
  object.name = value
  return true, value
end

local function selected(objects)
  local found = {}
  for _, object in ipairs(objects) do
    if object.selected then found[#found + 1] = object end
  end
  return found
end

local function all_items()
  local items = {}
  for _, track in ipairs(project.tracks) do table.move(track.items, 1, #track.items, #items + 1, items) end
  return items
end

reaper = {
  GetOS = function() return project.os or "Other" end,
  file_exists = function(path)
    if is_windows then return true end
    local file = io.open(path, "rb")
    return file ~= nil and file:close()
  end,
  GetProjectPath = function() return project.path end,
  EnumProjects = function() return project.other_tab or project end,
  ValidatePtr = function(object) return object == project end,
  ValidatePtr2 = function(_, object, kind)
    if kind == "MediaTrack*" then return number_of(object) ~= nil end
    assert(kind == "MediaItem*")
    for _, item in ipairs(all_items()) do
      if item == object then return true end
    end
    return false
  end,
  time_precise = function() return clock_s end,
  Help_Set = function(text) trace.help = text end,
  ShowMessageBox = function(text) table.insert(trace.messages, text) end,
  GetMousePosition = function() return 100, 100 end,
  GetExtState = function(section, key)
    return project.ext_state and project.ext_state[section .. "/" .. key] or ""
  end,
  SetExtState = function(section, key, value, persists)
    assert(type(value) == "string" and persists)
    project.ext_state = project.ext_state or {}
    project.ext_state[section .. "/" .. key] = value
  end,

  CountSelectedMediaItems = function() return #selected(all_items()) end,
  GetSelectedMediaItem = function(_, i) return selected(all_items())[i + 1] end,
  CountSelectedTracks = function() return #selected(project.tracks) end,
  GetSelectedTrack = function(_, i) return selected(project.tracks)[i + 1] end,
  GetSet_LoopTimeRange2 = function(_, is_set)
    assert(not is_set)
    return table.unpack(project.time_selection or {0, 0})
  end,

  CountTracks = function() return #project.tracks end,
  GetParentTrack = function(track)
    local parents = {}
    for _, each in ipairs(project.tracks) do
      if each == track then return parents[#parents] end
      if each.I_FOLDERDEPTH == 1 then parents[#parents + 1] = each end
      for _ = 1, -each.I_FOLDERDEPTH do parents[#parents] = nil end
    end
  end,
  GetTrack = function(_, i) return project.tracks[i + 1] end,
  GetTrackName = function(track)
    return true, track.name ~= "" and track.name or "Track " .. number_of(track)
  end,
  CountTrackMediaItems = function(track) return #track.items end,
  GetTrackMediaItem = function(track, i) return track.items[i + 1] end,
  GetMediaTrackInfo_Value = getter("track"),
  SetMediaTrackInfo_Value = setter("track"),
  GetSetMediaTrackInfo_String = set_name,
  ColorToNative = function(red, green, blue) return red | green << 8 | blue << 16 end,
  InsertTrackAtIndex = function(i)
    assert(undo_depth == 1 and i == i // 1 and i <= #project.tracks)
    table.insert(project.tracks, i + 1, fill("track", {items = {}}))
  end,

  GetMediaItem_Track = function(item) return track_of[item] end,
  GetMediaItemInfo_Value = getter("item"),
  SetMediaItemInfo_Value = setter("item"),
  AddMediaItemToTrack = function(track)
    local item = fill("item", {})
    table.insert(track.items, item)
    track_of[item] = track
    return item
  end,
  GetSetMediaItemInfo_String = function(item, name, value, is_new)
    assert(name:match("^P_EXT:%w"))
    if is_new then item.mark = value end
    return item.mark ~= "", item.mark
  end,
  SplitMediaItem = function(item, position)
    local left = position - item.D_POSITION
    if left <= 0 or left >= item.D_LENGTH then return nil end
    local right = {take = {}}
    for name, value in pairs(item) do right[name] = right[name] or value end
    for name, value in pairs(item.take) do right.take[name] = value end
    right.D_POSITION, right.D_LENGTH = position, item.D_LENGTH - left
    right.take.D_STARTOFFS = item.take.D_STARTOFFS + left * item.take.D_PLAYRATE
    item.D_LENGTH = left
    track_of[right] = track_of[item]
    table.insert(track_of[item].items, number_in(track_of[item].items, item) + 1, right)
    return right
  end,

  GetActiveTake = function(item) return item.take end,
  GetTakeName = function(take) return take.name end,
  GetTakeNumStretchMarkers = function(take) return take.stretch_markers end,
  GetMediaItemTakeInfo_Value = getter("take"),
  SetMediaItemTakeInfo_Value = setter("take"),
  GetSetMediaItemTakeInfo_String = set_name,
  AddTakeToMediaItem = function(item)
    item.take = fill("take", {})
    return item.take
  end,

  GetMediaItemTake_Source = function(take) return take end,
  GetMediaSourceFileName = function(source) return source.file end,
  GetMediaSourceLength = function(source) return source.seconds, false end,
  GetMediaSourceSampleRate = function(source) return source.rate_hz end,
  PCM_Source_CreateFromFile = function(path)
    assert(io.open(path, "rb")):close()
    return {file = path}
  end,
  SetMediaItemTake_Source = function(take, source) take.file = source.file end,

  Undo_BeginBlock2 = function() undo_depth = undo_depth + 1 end,
  Undo_EndBlock2 = function(_, text)
    undo_depth = undo_depth - 1
    table.insert(trace.undo, text)
  end,
  PreventUIRefresh = function(change) refresh_depth = refresh_depth + change end,
  UpdateArrange = function() end,

  defer = function(step) table.insert(queue, step) end,
  ExecProcess = function(command, timeout_ms)
    assert(timeout_ms == -1 or timeout_ms == -2, "REAPER would wait for this")
    table.insert(trace.commands, command)
    if is_windows then return "0\n" end
    -- REAPER's own way to split a command line is not known: nothing may depend on it.
    assert(command:match("^[%w/._-]+ [%w/._-]+$"), "not plain words: " .. command)
    os.execute(command .. " &")
    return "0\n"
  end,
}

-- The window: what is drawn stays until the next time, so that it can be clicked.
local window, drawn, next_click = nil, {}, 1
local steps_since_click = 0

gfx = {x = 0, y = 0, mouse_x = 0, mouse_y = 0, mouse_cap = 0, w = 0, h = 0, clear = 0}

local function in_window(draw)
  return function(...)
    assert(window, "there is no window")
    return draw(...)
  end
end

function gfx.init(name, width, height)
  assert(window or name ~= "", "a window needs a title")
  window = window or {drawing = {}}
  gfx.w, gfx.h = width, height
end

function gfx.quit() window, drawn, gfx.mouse_cap = nil, {}, 0 end

gfx.setfont, gfx.set = in_window(function() end), in_window(function(red) assert(red <= 1) end)
gfx.rect = in_window(function(x, y, width, height) assert(x + width <= gfx.w and y + height <= gfx.h) end)
gfx.drawstr = in_window(function(text)
  window.drawing[text] = {x = gfx.x, y = gfx.y}
  if text ~= "Cancel" then project.shown = text end
  if not trace.texts[text] then
    trace.texts[text], trace.texts[#trace.texts + 1] = true, text
  end
end)
gfx.measurestr = in_window(function(text) return 7 * #text, 15 end)
gfx.update = in_window(function() drawn, window.drawing = window.drawing, {} end)
gfx.getchar = function()
  if window and window.is_closed then window = nil end
  return window and 0 or -1
end

-- As REAPER reads it: neither separators nor what opens a menu in the menu are counted.
gfx.showmenu = in_window(function(text)
  table.insert(trace.menus, text)
  local label, number = project.clicks[next_click], 0
  next_click = next_click + 1
  for item in text:gmatch("[^|]+") do
    if item:sub(1, 1) ~= ">" then
      number = number + 1
      if item:gsub("^<?!?", "") == label then return number end
    end
  end
  error("no item of the menu: " .. label)
end)

local function click()
  local target = (project.clicks or {})[next_click]
  gfx.mouse_cap = 0
  steps_since_click = steps_since_click + 1
  if not window or not target or steps_since_click < 2 then return end
  if target == "<close>" then
    window.is_closed = true
  elseif drawn[target] then
    gfx.mouse_x, gfx.mouse_y, gfx.mouse_cap = drawn[target].x + 2, drawn[target].y + 2, 1
  else
    return
  end
  next_click, steps_since_click = next_click + 1, 0
end

dofile(script_path)
while #queue > 0 do
  assert(clock_s < DEADLINE_S, "the script did not come to an end")
  local steps = queue
  queue, trace.deferred = {}, trace.deferred + #steps
  for _, step in ipairs(steps) do step() end
  clock_s = clock_s + TICK_S
  if not is_windows then os.execute("sleep " .. TICK_S) end
  if project.at_each_tick then project.at_each_tick(project, clock_s) end
  click()
end

trace.clicks_left = #(project.clicks or {}) - next_click + 1
trace.is_open, trace.ext_state = window ~= nil, project.ext_state
for name in pairs(trace.texts) do
  if type(name) == "string" then trace.texts[name] = nil end
end
trace.undo_depth, trace.refresh_depth = undo_depth, refresh_depth
trace.tracks = project.tracks

local function to_json(value)
  if type(value) == "string" then
    return '"' .. value:gsub('[%c"\\]', function(c) return ("\\u%04x"):format(c:byte()) end) .. '"'
  elseif type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  for _, element in ipairs(value) do parts[#parts + 1] = to_json(element) end
  if #parts > 0 then return "[" .. table.concat(parts, ",") .. "]" end
  for name, element in pairs(value) do parts[#parts + 1] = to_json(name) .. ":" .. to_json(element) end
  return #parts > 0 and "{" .. table.concat(parts, ",") .. "}" or "[]"
end

print(to_json(trace))
