"""Stems → sound, told in the order in which the signal flows.

preset      what is to become of stems                     effects     what they go through
remix       the composition, block by block                stretching  pitch and tempo
limiter     true peaks below a ceiling                 smoothing   running minima and means of gains

layout      the description of loudspeakers, and of where stems go
ambience    what a stem's channels share, and what is ambience
upmix       stems → loudspeakers, which fold down to the mixture
"""
