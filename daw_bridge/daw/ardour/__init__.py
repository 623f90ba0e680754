"""Scripts for Ardour, and what Python does for it.

registration  the scripts in Ardour's list      session  tracks of a saved session → stems
"""
