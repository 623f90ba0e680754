"""Training of networks of one's own: the only folder that imports torch (extra ``train``).

config      what a TOML file says              start       weights to start from
examples    songs → excerpts                   augmentation  mixed, moved, driven through effects
networks    what is trained                    module      its losses and its steps
loop        a run, from its start or its last checkpoint
validation  what it is worth on whole songs    export      a checkpoint → a model
"""
