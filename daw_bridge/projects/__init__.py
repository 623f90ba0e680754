"""Stems as projects that DAWs open.

project     what is on the tracks, whatever the format
"""
