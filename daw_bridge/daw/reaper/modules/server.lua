-- The server: what it says of itself, and requests to it, each of which is a file in its inbox.
--
--   <state>/server                  its inbox, models, colours of stems, as key=value lines
--   <inbox>/<job>.request           what is asked of it; it takes the file away when it knows
--   <inbox>/<job>.cancel            calls that off
--   <folder of the job>/status      how it is getting on; <inbox>/<job>/status if it was refused
--   <state>/reaper.log              every failure, and what the command said that starts the server

local STATE = [==[@STATE@]==]
local STEMTOOL = [==[@STEMTOOL@]==]
local NO_WAIT_MINIMIZED = -2 -- ExecProcess: do not wait, and keep Windows' console out of sight

local server = {log_path = STATE .. "/reaper.log"}

-- The lines key=value of a file as {key, value}, and a table of them; nil where it is not there.
local function read_pairs(path)
  local file = io.open(path, "rb")
  if not file then return nil end
  local text = file:read("a")
  file:close()
  local lines, by_key = {}, {}
  for key, value in text:gmatch("([^=\r\n]+)=([^\r\n]*)") do
    lines[#lines + 1] = {key, value}
    by_key[key] = value
  end
  return lines, by_key
end

local function write(path, mode, text)
  local file, problem = io.open(path, mode)
  if not file then return problem end
  file:write(text)
  file:close()
end

local function split(names)
  local found = {}
  for name in names:gmatch("[^,]+") do found[#found + 1] = name end
  return found
end

function server.log(message)
  write(server.log_path, "ab", os.date("%Y-%m-%d %H:%M:%S ") .. message .. "\n")
end

-- What the server says of itself: its inbox, its models in the order in which they are offered, each
-- with its stems and what is still to be fetched of it, and the colours of stems. Nil: none runs.
function server.facts()
  local lines, by_key = read_pairs(STATE .. "/server")
  if not lines then return nil end
  local facts = {inbox = by_key.inbox, models = {}, colours = {}}
  for _, line in ipairs(lines) do
    local kind, name = line[1]:match("^(%l+):(.+)$")
    if kind == "model" then
      local model = {name = name, stems = split(line[2]), megabytes = by_key["fetch:" .. name]}
      table.insert(facts.models, model)
    elseif kind == "colour" then
      facts.colours[name] = line[2]
    end
  end
  return facts
end

-- Windows has no shell in between and no quotes in names of files; none of our words ends in "\".
local function quote_for_windows(word)
  return '"' .. word .. '"'
end

local function quote_for_sh(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

local function join(words, quote)
  local quoted = {}
  for i, word in ipairs(words) do quoted[i] = quote(word) end
  return table.concat(quoted, " ")
end

-- How REAPER splits a command line is not documented. Windows programs do it themselves; elsewhere
-- sh reads it from a file, so that two plain words are all there is to split.
local function run_in_background(words)
  local command = join(words, quote_for_windows)
  if not reaper.GetOS():match("^Win") then
    local script = os.tmpname()
    local log = quote_for_sh(server.log_path)
    local line = ("rm -f %s\nexec %s >>%s 2>&1\n"):format(script, join(words, quote_for_sh), log)
    write(script, "wb", line)
    command = "/bin/sh " .. script
  end
  reaper.ExecProcess(command, NO_WAIT_MINIMIZED)
end

-- Starts a server, unless one answers.
function server.start()
  run_in_background({STEMTOOL, "serve", "--on-demand", "--state", STATE})
end

local function request_path(facts, job)
  return ("%s/%s.request"):format(facts.inbox, job.name)
end

-- Asks for a job, {name, folder, words}, each word {key, value}; returns what went wrong, if it did.
function server.ask(facts, job)
  local lines = {}
  for i, word in ipairs(job.words) do lines[i] = word[1] .. "=" .. word[2] .. "\n" end
  lines[#lines + 1] = "end=1\n"
  local problem = write(request_path(facts, job), "wb", table.concat(lines))
  if problem then server.log(problem) end
  return problem and ("the server's inbox %s cannot be written."):format(facts.inbox)
end

-- Whether the server has yet to see a request.
function server.ignores(facts, job)
  local file = io.open(request_path(facts, job), "rb")
  return file ~= nil and file:close()
end

-- Calls a job off, also one that the server is just taking in or has yet to see.
function server.call_off(facts, job)
  write(("%s/%s.cancel"):format(facts.inbox, job.name), "wb", "")
end

-- Takes a request back that no server will see.
function server.take_back(facts, job)
  os.remove(request_path(facts, job))
end

-- How a job is getting on: state, progress, message, and stems as {name, path}; nil: nobody knows.
function server.status(facts, job)
  local lines, status = read_pairs(job.folder .. "/status")
  if not lines then
    lines, status = read_pairs(("%s/%s/status"):format(facts.inbox, job.name))
  end
  if not lines then return nil end
  status.stems = {}
  for _, line in ipairs(lines) do
    local stem = line[1]:match("^stem:(.+)$")
    if stem then table.insert(status.stems, {name = stem, path = line[2]}) end
  end
  return status
end

return server
