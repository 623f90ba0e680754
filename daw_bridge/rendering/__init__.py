"""Stems → sound.

loudness    BS.1770 loudness and true peak
"""
