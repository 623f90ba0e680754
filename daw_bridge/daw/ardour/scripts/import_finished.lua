ardour {
  ["type"] = "EditorHook",
  name = "Import finished stems",
  author = "daw-bridge",
  license = "GPL-3.0-or-later",
  description = [[Shows how far the separation is, and puts finished stems on tracks, where they belong.]],
}

function signals()
  return LuaSignal.Set():add({[LuaSignal.LuaTimerDS] = true})
end

function factory()
  local stems
  return function()
    stems = stems or loadfile([==[@FOLDER@/stems.lua]==])()
    stems.tick()
  end
end
