"""What there is on this machine: models, presets, layouts, and what their manifests say.

places       the folders, and what lies in them
manifest     what a model is, of each kind        models         which there are
sources      whose weights it runs    activations  what the layers of some networks end with
stages       what it is made of       members      or the models whose consensus it is
chains       or the models that split each other's parts
names        what these may be         limits         and how large a model may be
stems        names that mean something            licences     what a licence of weights allows
"""
