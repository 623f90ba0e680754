"""Stems as projects that DAWs open.

project      what is on the tracks, whatever the format
composition  files of stems become a project
destination  where it is written, and how its audio comes along
dawproject   for Bitwig Studio, Studio One, Cubase
rpp          for REAPER
ardour       for Ardour
aaf          for Pro Tools, Logic
stem_mp4     for Traktor, Mixxx
formats      which there are
writers      what writes each of them
writing      whole, or not at all
"""
