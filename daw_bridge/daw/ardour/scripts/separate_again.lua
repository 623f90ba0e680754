ardour {
  ["type"] = "EditorAction",
  name = "Separate selection into stems (last settings)",
  author = "daw-bridge",
  license = "GPL-3.0-or-later",
  description = [[Separates the selected range or regions with the model and stems that were chosen last, without asking.]],
}

function factory()
  return function() loadfile([==[@FOLDER@/stems.lua]==])().separate(false) end
end
