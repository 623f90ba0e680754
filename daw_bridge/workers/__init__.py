"""Where jobs run: processes that keep models warm.

task         a job in words and numbers       confinement  what it may touch
notes        where it is, and what came of it, in its folder
worker       the process itself               process      the same, seen from the server
"""
