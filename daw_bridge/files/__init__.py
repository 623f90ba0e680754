"""Files: audio in blocks, and what travels with it; whole or not at all.

reach       which files may be opened
blocks      pieces of audio, and how they pass between threads
reading     a file → blocks                    decoding    the same by FFmpeg, through damage
writing     blocks → files of stems            description what a reader sees of a file
containers  the formats that are written       speakers    which channel is which loudspeaker
tags        titles, covers                     songs       data sets of stems
boxes       those of MP4                       stem_files  five tracks and their labels in one
tables      TOML                               flaws       what is wrong with its tables
lines       where a TOML text says what        bounds      what a TOML text may be at most
seeking     files as FFmpeg wants them         hashing     SHA-256
riff        chunks of WAV files                broadcast   WAV that knows where it belongs
markers     places with a name
atomic      files that appear whole            folders     the same, of folders
download    what is fetched, resumed, verified room        what may be written to a disk
"""
