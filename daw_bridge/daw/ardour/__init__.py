"""Ardour: scripts for its window, their registration, and sessions without a window."""
