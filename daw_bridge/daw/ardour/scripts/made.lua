-- Which audio of a session are stems: <session>/stems.made has the names of their files, one a line.
-- A name does not change when a region is cut, copied, moved or renamed, and no two files share it.

local use = ...
local files = use("files")

local function path()
  return ARDOUR.LuaAPI.build_filename(Session:path(), "stems.made")
end

local function name_of(region)
  local source = region:source(0):to_filesource()
  return not source:isnil() and ARDOUR.LuaAPI.path_get_basename(source:path()) or nil
end

local function is_stem(region)
  local name = name_of(region)
  if not name or not files.exists(path()) then return false end
  for line in io.lines(path()) do
    if line == name then return true end
  end
  return false
end

local function note(region)
  files.write(path(), "a", {name_of(region)})
end

return {is_stem = is_stem, note = note}
