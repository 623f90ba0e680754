"""The life of jobs, whoever asks for them and however they ask.

dispatcher   taken in, queued, run, retried, reported       queue    whose turn it is
store        on disk, so that none is lost                  status   as a file, for scripts
folders      where they read and write                      uploads  audio that clients send
codes        errors by number                               limits   what clients can use up
"""
