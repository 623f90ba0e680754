"""The life of jobs, whoever asks for them and however they ask.

intake        words become jobs                             inbox    asked for by files
dispatcher    taken in, queued, run, retried, reported     queue    whose turn it is
lanes         the workers and what each is doing            status   as a file, for scripts
store         on disk, so that none is lost                 uploads  audio that clients send
folders       where they read and write                     limits   what clients can use up
refusals      why jobs were not taken in
housekeeping  what is old is forgotten                      codes    errors by number
idleness      how long nobody has asked for anything
"""
