"""Audacity, from outside: through the pipe that it takes commands from.

separation   what is selected → stems on tracks, whoever makes them
project      tracks, what is selected, audio out and in
pipe         commands and their answers
"""
