"""Mixture → stems: the pipeline, told in the order in which the signal flows.

manifest    what a model is               stages       what it is made of
weights     where its networks lie        loading      manifest and weights → a network
options     what the user wants           separator    the pipeline, block by block

framing     blocks → overlapping segments, at the model's rate
network     magnitudes → masks            composition  masks of several networks → masks
filters     the same, without training    masks        masks → spectra of stems
wiener      their refinement              synthesis    all of these → blocks of stems
"""
