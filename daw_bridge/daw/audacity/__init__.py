"""Audacity, from outside: through the pipe that it takes commands from.

pipe         commands and their answers
"""
