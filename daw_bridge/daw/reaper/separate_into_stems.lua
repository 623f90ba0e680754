-- @description Separate into stems
-- @about Asks for a model and stems. Separates the selected items, or else what the selected tracks
--   hold in the time selection, through `stemtool serve`, which it starts where none runs, and puts
--   each stem on a track below its source.
--   Tested against a stand-in for REAPER (tests/daw/reaper.lua), not in REAPER.

dofile([==[@FOLDER@/modules/separation.lua]==]).run(true)
