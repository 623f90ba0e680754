ardour {
  ["type"] = "EditorAction",
  name = "Separate selection into stems",
  author = "daw-bridge",
  license = "GPL-3.0-or-later",
  description = [[Asks for a model and stems, separates the selected range or regions, and puts each stem on a track.]],
}

function factory()
  return function() loadfile([==[@FOLDER@/stems.lua]==])().separate(true) end
end
