"""Files: audio in blocks, and what travels with it; whole or not at all.

blocks      pieces of audio, and how they pass between threads
reading     a file → blocks                    writing     blocks → files of stems
containers  the formats that are written       speakers    which channel is which loudspeaker
tags        titles, covers                     songs       data sets of stems
tables      TOML                               flaws       what is wrong with its tables
lines       where a TOML text says what        hashing     SHA-256
atomic      files that appear whole            folders     the same, of folders
download    what is fetched, resumed, verified
"""
