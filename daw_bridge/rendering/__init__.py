"""Stems → sound, told in the order in which the signal flows.

sources     a passage of a song, and stems in a folder     cache       stems that were made before
preset      what is to become of them                      effects     what they go through
remix       the composition, block by block                stretching  pitch and tempo
loudness    BS.1770 loudness and true peak                 limiter     true peaks below a ceiling

layout      the description of loudspeakers, and of where stems go
ambience    what a stem's channels share, and what is ambience
upmix       stems → loudspeakers, which fold down to the mixture
"""
