-- How far all is, as the name of a range over what is being separated. Ardour has no other place that
-- a script can write to while a person goes on: its windows keep all others from being clicked.

local SHOWN = "^Stems: "

local range_id, text -- of the range that is shown
local total, known = 0, {} -- jobs since nothing was pending

local function find(matches)
  for location in Session:locations():list():iter() do
    if matches(location) then return location end
  end
end

local function id_of(location)
  return location:id():to_s()
end

-- Takes the range away, and what is left of one if Ardour ended before the stems came.
local function hide()
  range_id, text, total, known = nil, nil, 0, {}
  repeat
    local shown = find(function(location)
      return location:is_range_marker() and location:name():match(SHOWN)
    end)
    if shown then Session:locations():remove(shown) end
  until not shown
end

local function reveal(jobs)
  local from, to = math.huge, 0
  for _, job in ipairs(jobs) do from, to = math.min(from, job.from), math.max(to, job.to) end
  hide()
  local range = Session:locations():add_range(Temporal.timepos_t(from), Temporal.timepos_t(to))
  range_id = id_of(range)
end

local function words(jobs)
  local done = total - #jobs
  local sum = done
  for _, job in ipairs(jobs) do sum = sum + job.progress end
  local percent = ("Stems: %d %%"):format(math.floor(100 * sum / total))
  return total == 1 and percent or ("%s (%d of %d)"):format(percent, done, total)
end

-- Shows jobs that have a progress of 0 to 1; a range that the person took away stays away.
local function show(jobs)
  if not range_id then reveal(jobs) end
  for _, job in ipairs(jobs) do
    if not known[job.name] then total, known[job.name] = total + 1, true end
  end
  if words(jobs) == text then return end
  text = words(jobs)
  local range = find(function(location) return id_of(location) == range_id end)
  if range then range:set_name(text) end
end

return {hide = hide, show = show}
