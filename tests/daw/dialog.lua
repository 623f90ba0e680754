-- Plays a person who answers the dialogs of dialog.lua, and tells what they showed.
--
--   lua5.4 dialog.lua DIALOG_LUA SERVER_FILE SETTINGS_FILE ANSWER...
--
-- An ANSWER is KEY=VALUE,KEY=VALUE, for one dialog; what it does not name stays as it was shown, and
-- an empty one cancels.

local dialog_lua, server_file, settings_file = table.unpack(arg, 1, 3)
local answers = {table.unpack(arg, 4)}

local function read_pairs(path)
  local values, keys = {}, {}
  for line in io.lines(path) do
    local key, value = line:match("^([^=]+)=(.*)$")
    values[key], keys[#keys + 1] = value, key
  end
  return values, keys
end

-- The labels of a menu in Ardour's order, submenus indented; and the value of each.
local function menu(values, indent, found)
  local labels = {}
  for label in pairs(values) do labels[#labels + 1] = label end
  table.sort(labels)
  for _, label in ipairs(labels) do
    print(indent .. label)
    if type(values[label]) == "table" then
      menu(values[label], indent .. "  ", found)
    else
      found[label] = values[label]
    end
  end
  return found
end

local function shown(row)
  print(("%s %s: %s"):format(row.type, row.title, tostring(row.default)))
  if row.type ~= "dropdown" then return row.default end
  local values = menu(row.values, "  ", {})
  return assert(values[row.default], row.default)
end

LuaDialog = {
  Dialog = function(_, rows)
    local values, answer = {}, table.remove(answers, 1)
    for _, row in ipairs(rows) do values[row.key or row.title] = shown(row) end
    for key, value in answer:gmatch("([^=,]+)=([^=,]+)") do
      if value == "true" or value == "false" then value = value == "true" end
      values[key] = value
    end
    return {run = function() return answer ~= "" and values or nil end}
  end,
}

local files = {
  TITLE = "", demand = function(value, message) return value or error(message, 0) end,
  settings = function() return read_pairs(settings_file) end,
  remember = function(choice)
    print(("remembered %s|%s|%s|%s"):format(choice.model, choice.stems, choice.minus, choice.mute))
  end,
}
local dialog = assert(loadfile(dialog_lua))(function() return files end)
print(select(2, pcall(dialog.ask, read_pairs(server_file))))
