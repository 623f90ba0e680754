-- Files of the state folder, and words for a person.
--
--   <state>/ardour.settings    model=, stems=, minus=, mute= (as chosen last), dialogs=no (for automation)
--   <state>/ardour.log         what was done, and every failure

local STATE = [==[@STATE@]==]
local TITLE = "Separate selection into stems"

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

local function remember(choice)
  local lines = {}
  for _, key in ipairs({"model", "stems", "minus", "mute"}) do
    lines[#lines + 1] = key .. "=" .. choice[key]
  end
  write(STATE .. "/ardour.settings", "w", lines)
end

local function log(message)
  pcall(write, STATE .. "/ardour.log", "a", {os.date("%Y-%m-%d %H:%M:%S ") .. message})
end

local MARKUP = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;"}

-- Shows what is in the log already. Ardour takes messages for markup, and names have anything in them.
local function show(message)
  if settings().dialogs == "no" then return end
  LuaDialog.Message(TITLE, (message:gsub("[&<>]", MARKUP)), LuaDialog.MessageType.Warning, LuaDialog.ButtonType.Close):run()
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
  if good then return true end
  log(tostring(problem))
  show(tostring(problem))
  return false
end

return {
  STATE = STATE, TITLE = TITLE, demand = demand, exists = exists, guarded = guarded, log = log,
  read_pairs = read_pairs, remember = remember, settings = settings, show = show, write = write,
}
