"""What can be asked of the engine, whoever asks.

job         what all jobs have in common, and what they come to
running     what they do alike when they run
choosing    which model makes the stems, and how long that will take
timing      how long it took
separate    a mixture becomes its stems
render      what jobs have in common that make something of stems
lengths     how long that is which a job is about
sources     a selection of a song, and stems in a folder
extract     a stem file becomes files
project     stems become projects that DAWs open
cache       stems that were made before
remix       stems become a remix
upmix       stems become surround
evaluate    a model's stems, compared with those that are known
requests    words become jobs
"""
