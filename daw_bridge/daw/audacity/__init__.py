"""Audacity: a tool in it, which asks the server through its inbox, and the way in from outside.

inbox        is made where Audacity can name it
choices      what the tool's dialog offers on this machine
following    the progress and the cancel button of an export are those of separations
pipe         commands for Audacity and their answers
"""
