ardour {
  ["type"] = "EditorAction",
  name = "Cancel separation into stems",
  author = "daw-bridge",
  license = "GPL-3.0-or-later",
  description = [[Calls off what is being separated in this session.]],
}

function factory()
  return function() loadfile([==[@FOLDER@/stems.lua]==])().cancel() end
end
