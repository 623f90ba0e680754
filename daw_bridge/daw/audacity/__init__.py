"""Audacity: a tool in it, which asks the server through its inbox, and the way in from outside.

inbox        is made where Audacity can name it
choices      what the tool's dialog offers on this machine
following    the progress and the cancel button of an export are those of separations
separation   what is selected → stems on tracks, whoever makes them
project      tracks, what is selected, audio out and in
pipe         commands and their answers
"""
