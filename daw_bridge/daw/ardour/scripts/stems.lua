-- What the scripts of the menu do, each by its module beside this file.
--
--   selection → (dialog) → jobs → `stemtool serve` → progress → tracks

local loaded = {}

-- A module of this folder.
local function use(name)
  if not loaded[name] then loaded[name] = assert(loadfile([==[@FOLDER@/]==] .. name .. ".lua"))(use) end
  return loaded[name]
end

local files, jobs = use("files"), use("jobs")

local LOOK_TICKS = 3 -- tenths of a second from one look at what is pending to the next
local REST_S = 60

--- Separation

local function separate(asking)
  local selection, server = use("selection"), use("server")
  local parts, left_out = selection.selected()
  files.demand(#parts > 0, "Select audio regions, or a range on audio tracks, to separate.")
  local facts, keys = server.running()
  if not facts then return end
  if asking and files.settings().dialogs ~= "no" and not use("dialog").ask(facts, keys) then return end
  if left_out > 0 then
    files.log(("Stems of earlier runs were left out (%d): select them alone."):format(left_out))
  end
  local choice = files.settings()
  for _, part in ipairs(parts) do jobs.remember(jobs.request(facts, part, choice)) end
end

local function cancel()
  files.demand(jobs.cancel_all() > 0, "Nothing is being separated in this session.")
end

--- The way back

local function new_region(path)
  local function regions()
    local found = {}
    for _, region in ARDOUR.RegionFactory.regions():iter() do
      found[region:to_stateful():id():to_s()] = region
    end
    return found
  end
  local before, paths = regions(), C.StringVector()
  paths:push_back(path)
  Editor:do_import(
    paths, Editing.ImportDistinctFiles, Editing.ImportAsRegion, ARDOUR.SrcQuality.SrcBest,
    ARDOUR.MidiTrackNameSource.SMFTrackName, ARDOUR.MidiTempoMapDisposition.SMFTempoIgnore,
    Temporal.timepos_t(0), ARDOUR.PluginInfo(), ARDOUR.Track(), false
  )
  for id, region in pairs(regions()) do
    if not before[id] then return region end
  end
  error(("%s cannot be imported."):format(path), 0)
end

-- Imports stems, and finds or makes their tracks; returns both.
local function bring(job, stems)
  local placed = {}
  for number, stem in ipairs(stems) do
    local region = new_region(stem.path)
    use("made").note(region)
    local channels = region:to_audioregion():n_channels()
    local track = use("tracks").for_stem(job, stem.name, number, channels)
    placed[number] = {region = region, playlist = track:playlist()}
  end
  return placed
end

-- Puts stems on their tracks and mutes the source there. One undo takes it back; Ardour keeps tracks.
local function import(job)
  local placed = bring(job, job.stems)
  Session:begin_reversible_command(files.TITLE)
  for _, each in ipairs(placed) do
    each.playlist:to_stateful():clear_changes()
    each.playlist:add_region(each.region, Temporal.timepos_t(job.from), 1, false, 0, 0, false)
    Session:add_stateful_diff_command(each.playlist:to_statefuldestructible())
  end
  local muted = job.mute == "yes" and use("tracks").mute_source(job)
  Session:commit_reversible_command(nil)
  local source = muted and "'%s' is muted there" or "'%s' sounds as before"
  files.log(("The stems of '%s' are at sample %d; "):format(job.track, job.from) .. source:format(job.track) .. ".")
end

--- What failed, told once

local failures, reasons = {}, {} -- names of tracks by reason, and the reasons in order

local function note_failure(job, reason)
  files.log(("'%s' was not separated: %s"):format(job.track, reason))
  if not failures[reason] then failures[reason], reasons[#reasons + 1] = {}, reason end
  table.insert(failures[reason], ("'%s'"):format(job.track))
end

-- A sentence for a reason; of many tracks it names three.
local function sentence(reason)
  local names = failures[reason]
  local more = #names > 3 and (" and %d more"):format(#names - 3) or ""
  local were = #names > 1 and "were" or "was"
  return ("%s%s %s not separated: %s"):format(table.concat(names, ", ", 1, math.min(#names, 3)), more, were, reason)
end

local function tell_failures()
  if #reasons == 0 then return end
  local lines = {}
  for index = 1, math.min(#reasons, 3) do lines[index] = sentence(reasons[index]) end
  if #reasons > 3 then
    lines[4] = ("%s/ardour.log has %d more."):format(files.STATE, #reasons - 3)
  end
  failures, reasons = {}, {}
  files.show(table.concat(lines, "\n\n"))
end

--- The timer

-- The pending jobs that wait, with their progress, and those that ended, with stems or a reason.
local function sorted()
  local waiting, ended = {}, {}
  for _, job in ipairs(jobs.pending()) do
    local stems, detail = jobs.outcome(job)
    job.stems, job.progress, job.reason = stems, detail, detail
    table.insert(stems == false and waiting or ended, job)
  end
  return waiting, ended
end

local function end_job(job)
  if not job.stems then return note_failure(job, job.reason) end
  local good, problem = pcall(import, job)
  if not good then note_failure(job, tostring(problem)) end
end

local is_tidy = false -- Ardour may have ended while something was shown

local function tidy_up()
  use("progress").hide()
  tell_failures()
  is_tidy = true
end

local function look()
  local waiting, ended = sorted()
  if #waiting > 0 then use("progress").show(waiting) end
  if #ended > 0 then jobs.write_pending(waiting, "w") end
  for _, job in ipairs(ended) do end_job(job) end
  if #waiting + #ended > 0 then is_tidy = false end
  if not is_tidy and #jobs.pending() == 0 then tidy_up() end
end

local ticks, rests_until_s = 0, 0

-- Shows how far all is, and imports what is finished; is called ten times a second. Rests for a minute
-- after an error, which may come back each time, and while it is at work: imports and messages let
-- Ardour go on, and so call this again.
local function tick()
  ticks = (ticks + 1) % LOOK_TICKS
  if ticks > 0 or os.time() < rests_until_s or Session:actively_recording() then return end
  rests_until_s = math.huge
  rests_until_s = files.guarded(look) and 0 or os.time() + REST_S
end

return {
  separate = function(asking) files.guarded(separate, asking) end,
  cancel = function() files.guarded(cancel) end,
  tick = tick,
  use = use, -- for a session without a window
}
