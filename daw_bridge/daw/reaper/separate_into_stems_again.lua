-- @description Separate into stems (last settings)
-- @about Does what "Separate into stems" does, as it was told the last time, without asking.

dofile([==[@FOLDER@/modules/separation.lua]==]).run(false)
