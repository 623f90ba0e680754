ardour {
  ["type"] = "EditorHook",
  name = "Import finished stems",
  author = "daw-bridge",
  license = "GPL-3.0-or-later",
  description = [[Puts the stems that `stemtool serve` has finished on new tracks, where they belong.]],
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
