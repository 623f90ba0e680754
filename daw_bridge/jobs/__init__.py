"""What can be asked of the engine, whoever asks.

job.py        what all jobs have in common, and what they come to
separate.py   a mixture becomes its stems
render.py     what jobs have in common that make something of stems
remix.py      stems become a remix
upmix.py      stems become surround
"""
