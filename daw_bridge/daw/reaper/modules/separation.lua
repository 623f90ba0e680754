-- From what is selected to stems on tracks.

local items = dofile([==[@FOLDER@/modules/items.lua]==])
local server = dofile([==[@FOLDER@/modules/server.lua]==])
local settings = dofile([==[@FOLDER@/modules/settings.lua]==])
local tracks = dofile([==[@FOLDER@/modules/tracks.lua]==])
local window = dofile([==[@FOLDER@/modules/window.lua]==])

local TITLE = "Separate into stems"
local STARTING = "Starting stemtool …"
local NO_ANSWER = ("stemtool neither answers nor starts; %s says why."):format(server.log_path)
local POLL_S = 0.1
local AT_ONCE = 20 -- the server queues them, and limits how many
local START_PATIENCE_S = 30
local SILENCE_S = 3 -- after which a server that should be there is started again
local CHANGE_S = 60 -- without news of a job that runs: the same
local WAKING_S = 15 -- until it is tried once more
local MOST_SENTENCES = 5
local UNDER_WAY = {asked = true, queued = true, running = true}

local project = reaper.EnumProjects(-1)
local failures = {}
local woken_s = -math.huge
local is_server_gone = false

--- What fails: in one message at the end, those of one kind together

local function fail(name, sentence)
  server.log(name .. ": " .. sentence)
  for _, failure in ipairs(failures) do
    if failure.sentence == sentence then return table.insert(failure.names, name) end
  end
  failures[#failures + 1] = {names = {name}, sentence = sentence}
end

local function line_of(failure)
  local names, more = failure.names, #failure.names - 3
  local named = table.concat(names, ", ", 1, math.min(#names, 3))
  if more > 0 then named = ("%s and %d more"):format(named, more) end
  return named .. ": " .. failure.sentence
end

local function report()
  window.close()
  if #failures == 0 then return end
  local lines = {}
  for i = 1, math.min(#failures, MOST_SENTENCES) do lines[i] = line_of(failures[i]) end
  if #failures > MOST_SENTENCES then
    lines[#lines + 1] = ("%d more are in %s"):format(#failures - MOST_SENTENCES, server.log_path)
  end
  reaper.ShowMessageBox(table.concat(lines, "\n\n"), TITLE, 0)
end

local function give_up(sentence)
  window.close()
  server.log(sentence)
  reaper.ShowMessageBox(sentence, TITLE, 0)
end

-- Does something each time that REAPER lets us, until it returns true; an error in it ends it too.
local function keep_on(work)
  local function step()
    local ran, is_over = pcall(work, reaper.time_precise())
    if not ran then return give_up(tostring(is_over)) end
    if not is_over then reaper.defer(step) end
  end
  step()
end

--- The end

local function insert_all(parts, wishes)
  reaper.Undo_BeginBlock2(project)
  reaper.PreventUIRefresh(1)
  local ran, problem = pcall(tracks.insert, project, parts, wishes, fail)
  reaper.PreventUIRefresh(-1)
  reaper.Undo_EndBlock2(project, wishes.mutes and TITLE .. ", mute the source" or TITLE, -1)
  reaper.UpdateArrange()
  if not ran then fail(TITLE, tostring(problem)) end
end

local function say_what_was_done(count, mutes)
  local muted = mutes and "; the source is muted, which one undo takes back too" or ""
  reaper.Help_Set(("%s: %d done%s."):format(TITLE, count, muted), true)
end

-- Whether the stems can go to their tracks, or their project is closed; not in the tab of another.
local function finish(parts, wishes)
  if not reaper.ValidatePtr(project, "ReaProject*") then return true end
  if reaper.EnumProjects(-1) ~= project then return false end
  local done = {}
  for _, part in ipairs(parts) do
    if part.state == "done" then
      done[#done + 1] = part
    elseif part.state == "failed" then
      fail(part.name, part.message or "it failed, and nobody says why.")
    elseif part.state == "cancelled" then
      fail(part.name, "it was cancelled.")
    end
  end
  if #done > 0 then insert_all(done, wishes) end
  say_what_was_done(#done, wishes.mutes and #done > 0)
  report()
  return true
end

--- Meanwhile

local function ask(facts, part, now_s)
  local problem = server.ask(facts, part.job)
  part.state, part.message = problem and "failed" or "asked", problem
  part.asked_s, part.changed_s = now_s, now_s
end

-- A server that does not see a request, or from which no news comes, is started: it goes on where
-- it was. One that answers is left alone.
local function wake_server(since_s, silent_s, now_s)
  if now_s - since_s < silent_s or now_s - woken_s < WAKING_S then return end
  woken_s = now_s
  server.start()
end

local function is_waking(part, now_s)
  return part.state == "asked" and now_s - part.asked_s >= SILENCE_S
end

local function look(facts, part, now_s)
  local status = server.status(facts, part.job)
  local news = status and (status.state .. (status.progress or ""))
  if news and news ~= part.news then
    part.news, part.changed_s = news, now_s
    part.state, part.stems, part.message = status.state, status.stems, status.message
    part.progress = tonumber(status.progress) or 0
  elseif part.state ~= "asked" then
    wake_server(part.changed_s, CHANGE_S, now_s)
  elseif not server.ignores(facts, part.job) then
    part.state = "queued"
  elseif now_s - part.asked_s > START_PATIENCE_S then
    server.take_back(facts, part.job)
    part.state, part.message, is_server_gone = "failed", NO_ANSWER, true
  else
    wake_server(part.asked_s, SILENCE_S, now_s)
  end
end

-- Asks and looks; returns whether all parts have come to an end, how far they are, and a sentence.
local function advance(facts, parts, now_s)
  local under_way, ended, progress, sentence = 0, 0, 0
  for _, part in ipairs(parts) do
    if not part.state and is_server_gone then part.state, part.message = "failed", NO_ANSWER end
    if not part.state and under_way < AT_ONCE then ask(facts, part, now_s) end
    if UNDER_WAY[part.state] then look(facts, part, now_s) end
    if UNDER_WAY[part.state] then
      under_way, progress = under_way + 1, progress + (part.progress or 0)
      if is_waking(part, now_s) then sentence = STARTING end
    elseif part.state then
      ended = ended + 1
    end
  end
  local fraction = (ended + progress) / #parts
  sentence = sentence or ("%d of %d, %.0f %%"):format(ended, #parts, 100 * fraction)
  return ended == #parts, fraction, sentence
end

local function call_off(facts, parts)
  for _, part in ipairs(parts) do
    if UNDER_WAY[part.state] then server.call_off(facts, part.job) end
  end
  window.close()
  reaper.Help_Set(TITLE .. ": cancelled.", true)
end

local function watch(facts, parts, wishes)
  local next_look_s, is_over, fraction, sentence = 0, false, 0, ""
  keep_on(function(now_s)
    if now_s >= next_look_s and not is_over then
      next_look_s = now_s + POLL_S
      is_over, fraction, sentence = advance(facts, parts, now_s)
    end
    if is_over then
      if finish(parts, wishes) then return true end
      sentence = "Go back to the project's tab: its stems wait."
    end
    local is_off = window.show(fraction, sentence)
    if is_off then call_off(facts, parts) end
    return is_off
  end)
end

--- The beginning

-- What is asked for, for each part.
local function make_jobs(parts, choice)
  local folder = reaper.GetProjectPath() .. "/stems"
  local millisecond = math.floor(1000 * reaper.time_precise()) % 1000
  for i, part in ipairs(parts) do
    local name = ("reaper-%d-%03d-%d"):format(os.time(), millisecond, i)
    local words = settings.words(choice)
    for _, word in ipairs({
      {"method", "separate"}, {"path", part.file}, {"out", folder .. "/" .. name},
      {"start", ("%d"):format(part.start)}, {"bits", "32f"},
      {"label", (part.name:gsub('[%c/\\:*?"<>|]', "_"))},
    }) do words[#words + 1] = word end
    if part.frames then words[#words + 1] = {"length", ("%d"):format(part.frames)} end
    part.job = {name = name, folder = folder .. "/" .. name, words = words}
  end
end

local function separate(facts, parts, choice)
  settings.save(choice)
  make_jobs(parts, choice)
  watch(facts, parts, {mutes = choice.mutes, colours = facts.colours})
end

local function question(facts, left_out)
  local offers = settings.offers(facts)
  return {
    offers = offers, choice = settings.load(offers), obstacle = settings.obstacle,
    note = left_out > 0 and ("Stems of earlier runs are left out: %d."):format(left_out) or "",
  }
end

-- Calls ready with what the server says of itself, when there is one.
local function with_server(ready)
  local facts, start_s = server.facts(), reaper.time_precise()
  if facts then return ready(facts) end
  server.start()
  keep_on(function(now_s)
    facts = server.facts()
    if facts then return true, ready(facts) end
    if now_s - start_s > START_PATIENCE_S then
      give_up(NO_ANSWER)
      return true
    end
    if window.show(0, STARTING) then
      window.close()
      return true
    end
  end)
end

-- What is selected and can be separated; what cannot is told at the end.
local function describe_all(chosen)
  local parts = {}
  for _, part in ipairs(chosen) do
    local problem = items.describe(part)
    if problem then
      fail(part.name, problem)
    else
      parts[#parts + 1] = part
    end
  end
  return parts
end

local function start(is_asking)
  local chosen, left_out = items.chosen(project)
  if #chosen == 0 then
    return give_up("Select items, or tracks and a time selection over their items.")
  end
  local parts = describe_all(chosen)
  if #parts == 0 then return report() end
  with_server(function(facts)
    if not facts.inbox or #facts.models == 0 then
      return give_up("The server that runs is of an older stemtool: end it, then run this again.")
    end
    local asked = question(facts, left_out)
    if not is_asking and not settings.obstacle(asked.choice) then
      return separate(facts, parts, asked.choice)
    end
    window.ask(asked, function(choice) separate(facts, parts, choice) end)
  end)
end

window.title = TITLE
return {run = start}
