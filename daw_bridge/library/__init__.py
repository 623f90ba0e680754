"""What there is on this machine: models, presets, layouts, and what their manifests say.

places       the folders, and what lies in them        roots    those that clients may use
manifest     what a model is, of each kind        models         which there are
catalogue    which could be had
sources      whose weights it runs    activations  what the layers of some networks end with
stages       what it is made of       members      or the models whose consensus it is
chains       or the models that split each other's parts
bands        how spectra of several rates are joined
names        what these may be         limits         and how large a model may be
figures      what was measured of its stems            costs     what it takes on this machine
ladder       which is best for some stems, or fast enough
stems        names that mean something            licences     what a licence of weights allows
colours      one a stem, wherever they are shown
"""
