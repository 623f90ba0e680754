-- The window: it asks, then shows the progress. It is drawn anew each time that REAPER lets us.

local WIDTH, MARGIN, ROW, COLUMN = 420, 14, 24, 130
local COLUMNS = (WIDTH - 2 * MARGIN) // COLUMN
local FONT_SIZE = 15
local BACKGROUND = 0x303030
local LIGHT, DIM, FRAME, FILL = 0.9, 0.6, 0.45, 0.22
local LEFT_BUTTON = 1
local CLOSED, ESCAPE, ENTER = -1, 27, 13

local window = {}
local is_open, was_down, is_pressed, height = false, false, false, 0

local function set_height(pixels)
  if is_open and pixels == height then return end
  if not is_open then
    local x, y = reaper.GetMousePosition()
    gfx.init(window.title, WIDTH, pixels, 0, x, y)
    gfx.setfont(1, "Arial", FONT_SIZE)
    gfx.clear = BACKGROUND
  else
    gfx.init("", WIDTH, pixels)
  end
  is_open, height = true, pixels
end

function window.close()
  if is_open then gfx.quit() end
  is_open = false
end

-- Begins a picture of some height; returns the key that was pressed since the last one, and whether
-- that or the window's own button says no, after which there is nothing to draw on.
local function begin(pixels)
  set_height(pixels)
  local is_down = gfx.mouse_cap & LEFT_BUTTON ~= 0
  is_pressed, was_down = is_down and not was_down, is_down
  local key = gfx.getchar()
  if key == CLOSED then is_open = false end
  return key, key == CLOSED or key == ESCAPE
end

local function write(text, x, y, brightness)
  gfx.set(brightness, brightness, brightness)
  gfx.x, gfx.y = x, y
  gfx.drawstr(text)
end

local function is_clicked(x, y, width)
  local right, below = gfx.mouse_x - x, gfx.mouse_y - y
  return is_pressed and right >= 0 and right < width and below >= 0 and below < ROW
end

-- A text in a frame; returns whether it was clicked.
local function button(text, x, y, width)
  gfx.set(FILL, FILL, FILL)
  gfx.rect(x, y, width, ROW - 2, true)
  gfx.set(FRAME, FRAME, FRAME)
  gfx.rect(x, y, width, ROW - 2, false)
  write(text, x + 8, y + 3, LIGHT)
  return is_clicked(x, y, width)
end

-- A box with a tick, or none; returns whether there is one after the click, if it was clicked.
local function tick(text, is_on, x, y)
  gfx.set(FRAME, FRAME, FRAME)
  gfx.rect(x, y + 4, 12, 12, false)
  if is_on then
    gfx.set(LIGHT, LIGHT, LIGHT)
    gfx.rect(x + 3, y + 7, 6, 6, true)
  end
  write(text, x + 18, y + 2, LIGHT)
  return is_on ~= is_clicked(x, y, 18 + gfx.measurestr(text))
end

-- In menus some characters mean something where a label begins, and "|" everywhere.
local function menu_label(text)
  return (text:gsub("|", "/"):gsub("^[#!<>]", " %0"))
end

-- Lets one of some offers be chosen from a menu; what is to be fetched is in a menu of its own.
local function choose(offers, chosen)
  local items, is_submenu = {}, false
  for i, offer in ipairs(offers) do
    local mark = offer == chosen and "!" or ""
    if offer.is_away and not is_submenu then
      items[#items + 1], is_submenu = ">To be fetched", true
    end
    if is_submenu and i == #offers then mark = "<" .. mark end
    items[#items + 1] = mark .. menu_label(offer.label)
  end
  return offers[gfx.showmenu(table.concat(items, "|"))] or chosen
end

local function draw_stems(choice, y)
  write("Stems; none ticked: all that there are", MARGIN, y, DIM)
  y = y + ROW
  for i, stem in ipairs(choice.offer.stems) do
    local column, row = (i - 1) % COLUMNS, (i - 1) // COLUMNS
    local x = MARGIN + column * COLUMN
    choice.ticked[stem] = tick(stem, choice.ticked[stem] or false, x, y + row * ROW)
  end
  y = y + math.ceil(#choice.offer.stems / COLUMNS) * ROW
  choice.all_but = tick("all but these, in one", choice.all_but, MARGIN, y)
  return y + ROW
end

local function dialog_height(choice)
  return 2 * MARGIN + (6 + math.ceil(#choice.offer.stems / COLUMNS)) * ROW + 10
end

-- Draws the dialog, and changes the choice as it is clicked; returns "yes" or "no" at its end.
local function draw_dialog(question)
  local choice, obstacle = question.choice, question.obstacle(question.choice)
  local key, is_off = begin(dialog_height(choice))
  if is_off then return "no" end
  write("Model", MARGIN, MARGIN, DIM)
  local opens_menu =
    button(choice.offer.label, MARGIN + 60, MARGIN - 3, WIDTH - 2 * MARGIN - 60)
  local y = draw_stems(choice, MARGIN + ROW + 6)
  choice.mutes = tick("mute the source", choice.mutes, MARGIN, y)
  write(obstacle or question.note, MARGIN, y + ROW, DIM)
  y = gfx.h - MARGIN - ROW
  local yes = button("Separate", WIDTH - MARGIN - 200, y, 95) or key == ENTER
  local no = button("Cancel", WIDTH - MARGIN - 95, y, 95)
  gfx.update()
  if opens_menu then choice.offer = choose(question.offers, choice.offer) end
  if no then return "no" end
  return yes and not obstacle and "yes"
end

-- Asks; calls answered with the choice, unless it is called off.
function window.ask(question, answered)
  local function step()
    local answer = draw_dialog(question)
    if answer == "yes" then return answered(question.choice) end
    if answer == "no" then return window.close() end
    reaper.defer(step)
  end
  step()
end

-- Shows how far it is, 0 to 1, and a sentence; returns whether it is to be called off.
function window.show(fraction, sentence)
  local _, is_off = begin(2 * MARGIN + 4 * ROW)
  if is_off then return true end
  write(sentence, MARGIN, MARGIN, LIGHT)
  local width, y = WIDTH - 2 * MARGIN, MARGIN + ROW + 6
  gfx.set(FILL, FILL, FILL)
  gfx.rect(MARGIN, y, width, 12, true)
  gfx.set(DIM, DIM, DIM)
  gfx.rect(MARGIN, y, math.floor(width * fraction), 12, true)
  is_off = button("Cancel", WIDTH - MARGIN - 95, y + ROW + 4, 95)
  gfx.update()
  return is_off
end

return window
