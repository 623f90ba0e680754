"""Stems as projects that DAWs open.

project      what is on the tracks, whatever the format
destination  where it is written, and how its audio comes along
formats      the table of formats
writing      whole, or not at all
"""
