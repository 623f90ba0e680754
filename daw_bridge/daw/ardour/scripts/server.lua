-- `stemtool serve`: where it listens, what it says of itself, and how it comes to run.
--
--   <state>/server     where it listens, the folders it may use, its models, and a colour for each stem
--   <state>/refused    why it took jobs not in, job=reason

local use = ...
local files = use("files")

local STEMTOOL = [==[@STEMTOOL@]==]
local START_S, LOOK_US = 30, 100000
local NOT_THERE =
  "stemtool is not at %s any more: install it, then quit Ardour and run `stemtool daw install ardour`."
local NOT_STARTED =
  "stemtool did not start within %d seconds: %s/serve.log says why; `stemtool serve` in a terminal shows it."

-- Nothing tells whether anybody hears it.
local function send(facts, ...)
  ARDOUR.LuaOSC.Address(("osc.tcp://%s:%s"):format(facts.host, facts.port)):send(...)
end

-- Whether the server's process is known to be gone, and what it said is left from a crash.
local function is_gone(facts)
  return files.exists("/proc/self") and not files.exists("/proc/" .. (facts.pid or "self"))
end

-- What the server says of itself, and the keys of that in order; nil where there is none.
local function facts_if_running()
  local facts, keys = files.read_pairs(files.STATE .. "/server")
  if facts and not is_gone(facts) then return facts, keys end
end

local function demand_stemtool()
  local is_there = not STEMTOOL:find("/") or files.exists(STEMTOOL) -- else it is on the PATH
  files.demand(is_there, NOT_THERE:format(STEMTOOL))
end

-- Starts a server in the background, if none answers; in a session without a window, the caller has.
local function start()
  if os.forkexec then os.forkexec(STEMTOOL, "serve", "--on-demand", "--state", files.STATE) end
end

-- Starts a server, and waits for it in a window that can be closed; nil if it was.
local function await()
  demand_stemtool()
  start()
  local window = LuaDialog.ProgressWindow(files.TITLE, true)
  local facts, keys, called_off
  local deadline = os.time() + START_S
  repeat
    called_off = window:progress(-1, "Starting stemtool …")
    ARDOUR.LuaAPI.usleep(LOOK_US)
    facts, keys = facts_if_running()
  until facts or called_off or os.time() > deadline
  window:done()
  window = nil
  collectgarbage() -- else it stays on the screen
  files.demand(facts or called_off, NOT_STARTED:format(START_S, files.STATE))
  return facts, keys
end

-- What a server says of itself, and the keys of that in order; one is started if need be. Nil if the
-- person did not want to wait for it.
local function running()
  local facts, keys = facts_if_running()
  if facts then return facts, keys end
  return await()
end

-- The folders that the server may use; none where it does not say.
local function roots()
  local facts, keys = files.read_pairs(files.STATE .. "/server")
  local found = {}
  for _, key in ipairs(keys or {}) do
    if key:match("^root:") then found[#found + 1] = facts[key] end
  end
  return found
end

-- Whether a path is below a folder that the server may use, as far as names tell: links may lie.
local function may_use(path)
  for _, root in ipairs(roots()) do
    local folder = root:gsub("[/\\]*$", "/")
    if (path .. "/"):gsub("\\", "/"):sub(1, #folder) == folder:gsub("\\", "/") then return true end
  end
  return #roots() == 0
end

-- The colour of a stem as 0xRRGGBBAA; nil where the server does not know the stem.
local function colour(stem)
  local facts = files.read_pairs(files.STATE .. "/server") or {}
  local what_is_left = stem:match("^no ") and facts["colour:accompaniment"]
  local rgb = (facts["colour:" .. stem] or what_is_left or ""):match("^#(%x%x%x%x%x%x)$")
  return rgb and tonumber(rgb .. "FF", 16)
end

local function refusal(job_name)
  return (files.read_pairs(files.STATE .. "/refused") or {})[job_name]
end

return {
  colour = colour, may_use = may_use, refusal = refusal, roots = roots, running = running,
  facts_if_running = facts_if_running, send = send, start = start,
}
