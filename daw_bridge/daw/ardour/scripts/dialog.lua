-- Asks for a model, then, where not all are wanted, for stems that this model has.

local use = ...
local files = use("files")

local RUNGS = {fast = "Quality: fast", good = "Quality: good", best = "Quality: best"}
local TO_FETCH = "… to be fetched" -- a menu of its own; Ardour sorts by bytes, so it comes last
local ALL, SOME, ALL_BUT = "All", "Only …", "All but …"

local function listed(names)
  local found = {}
  for name in names:gmatch("[^,]+") do found[#found + 1] = name end
  return found
end

local function lists(names, name)
  return ("," .. names .. ","):find("," .. name .. ",", 1, true) ~= nil
end

local function label(facts, model)
  local megabytes = facts["fetch:" .. model]
  if not megabytes then return model end
  return model .. " – to be fetched" .. (megabytes ~= "" and (", %s MB"):format(megabytes) or "")
end

-- What the menu of models offers, the label of each model, and the model that the server prefers.
local function offers(facts, keys)
  local menu, labels, to_fetch, first = {}, {}, {}, nil
  for rung, title in pairs(RUNGS) do
    labels["quality:" .. rung], menu[title] = title, "quality:" .. rung
  end
  for _, key in ipairs(keys) do
    local model = key:match("^model:(.+)$")
    if model then
      labels[model], first = label(facts, model), first or model
      local place = facts["fetch:" .. model] and to_fetch or menu
      place[labels[model]] = model
    end
  end
  if next(to_fetch) then menu[TO_FETCH] = to_fetch end
  return menu, labels, first
end

-- The stems of a model; those of all models for a rung, as the server then looks for one that has them.
local function stems_of(facts, keys, model)
  if facts["model:" .. model] then return listed(facts["model:" .. model]) end
  local stems, seen = {}, {}
  for _, key in ipairs(keys) do
    for _, stem in ipairs(key:match("^model:") and listed(facts[key]) or {}) do
      if not seen[stem] then stems[#stems + 1] = stem end
      seen[stem] = true
    end
  end
  return stems
end

local function ask_model(facts, keys, last)
  local menu, labels, first = offers(facts, keys)
  local default = labels[last.model or ""] or labels[first]
  local which = (last.minus or "") ~= "" and ALL_BUT or (last.stems or "") ~= "" and SOME or ALL
  return LuaDialog.Dialog(files.TITLE, {
    {type = "dropdown", key = "model", title = "Model", values = menu, default = default},
    {type = "dropdown", key = "which", title = "Stems", default = which,
      values = {[ALL] = ALL, [SOME] = SOME, [ALL_BUT] = ALL_BUT}},
    {type = "checkbox", key = "mute", title = "Mute the source where its stems are",
      default = last.mute ~= "no"},
  }):run()
end

-- Some of the stems, separated by commas; nil if called off.
local function ask_stems(heading, stems, last)
  local rows, chosen = {{type = "heading", title = heading, align = "left"}}, {}
  for _, stem in ipairs(stems) do
    rows[#rows + 1] = {type = "checkbox", key = stem, title = stem, default = lists(last, stem)}
  end
  local answer = LuaDialog.Dialog(files.TITLE, rows):run()
  if not answer then return nil end
  for _, stem in ipairs(stems) do
    if answer[stem] then chosen[#chosen + 1] = stem end
  end
  files.demand(#chosen > 0, "No stem was chosen: tick at least one.")
  return table.concat(chosen, ",")
end

-- Asks, and keeps the answer for the next time; false if called off.
local function ask(facts, keys)
  local last = files.settings()
  local answer = ask_model(facts, keys, last)
  if not answer then return false end
  local choice = {model = answer.model, stems = "", minus = "", mute = answer.mute and "yes" or "no"}
  local stems = stems_of(facts, keys, answer.model)
  if answer.which == SOME then
    choice.stems = ask_stems("Make these stems", stems, last.stems or "")
    if choice.stems == table.concat(stems, ",") then choice.stems = "" end -- all, of another model too
  elseif answer.which == ALL_BUT then
    choice.minus = ask_stems("Make what is left without", stems, last.minus or "")
  end
  if not (choice.stems and choice.minus) then return false end
  files.remember(choice)
  return true
end

return {ask = ask}
