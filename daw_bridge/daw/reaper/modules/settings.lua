-- What was chosen: kept by REAPER from one time to the next.

local SECTION = "daw-bridge"
local RUNGS = {"fast", "good", "best"} -- of the ladder, in place of a model

local settings = {}

local function all_stems(models)
  local stems, seen = {}, {}
  for _, model in ipairs(models) do
    for _, stem in ipairs(model.stems) do
      if not seen[stem] then stems[#stems + 1] = stem end
      seen[stem] = true
    end
  end
  return stems
end

-- What can be chosen in place of a model: models, those on this machine first, then rungs, then what
-- is to be fetched first. Each has a label, and the stems that it makes.
function settings.offers(facts)
  local here, away = {}, {}
  for _, model in ipairs(facts.models) do
    local offer = {label = model.name, model = model.name, stems = model.stems}
    if model.megabytes then
      local size = model.megabytes ~= "" and (", " .. model.megabytes .. " MB") or ""
      offer.label, offer.is_away = ("%s (to be fetched%s)"):format(model.name, size), true
    end
    table.insert(offer.is_away and away or here, offer)
  end
  for _, rung in ipairs(RUNGS) do
    here[#here + 1] = {label = "quality: " .. rung, quality = rung, stems = all_stems(facts.models)}
  end
  return table.move(away, 1, #away, #here + 1, here)
end

-- The last choice: an offer, which of its stems are ticked, whether all but these are meant, and
-- whether the source is muted.
function settings.load(offers)
  local function last(key) return reaper.GetExtState(SECTION, key) end
  local choice = {offer = offers[1], ticked = {}, all_but = last("all_but") == "1"}
  for _, offer in ipairs(offers) do
    if (offer.model or "quality:" .. offer.quality) == last("model") then choice.offer = offer end
  end
  for stem in last("stems"):gmatch("[^,]+") do choice.ticked[stem] = true end
  choice.mutes = last("mute") ~= "0"
  return choice
end

-- The stems that are ticked, of those that the chosen model has; separated by commas.
function settings.stems(choice)
  local stems = {}
  for _, stem in ipairs(choice.offer.stems) do
    if choice.ticked[stem] then stems[#stems + 1] = stem end
  end
  return table.concat(stems, ","), #stems
end

-- Why a choice cannot be; nil if it can.
function settings.obstacle(choice)
  local _, count = settings.stems(choice)
  if choice.all_but and count == 0 then return "Tick what is to be left out." end
  if choice.all_but and count == #choice.offer.stems then return "Nothing would be left." end
end

function settings.save(choice)
  local offer = choice.offer
  local said = {
    model = offer.model or "quality:" .. offer.quality, stems = settings.stems(choice),
    all_but = choice.all_but and "1" or "0", mute = choice.mutes and "1" or "0",
  }
  for key, value in pairs(said) do reaper.SetExtState(SECTION, key, value, true) end
end

-- A choice in the words of a request.
function settings.words(choice)
  local stems, count = settings.stems(choice)
  local words = {
    choice.offer.quality and {"quality", choice.offer.quality} or {"model", choice.offer.model},
  }
  if choice.all_but then
    words[2] = {"minus", stems}
  elseif count > 0 then
    words[2] = {"stems", stems}
  end
  return words
end

return settings
