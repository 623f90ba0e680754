"""Mixture → stems: the pipeline, told in the order in which the signal flows.

manifest    what a model is               weights    where its network lies
options     what the user wants           separator  the composition, block by block

framing     blocks → overlapping segments, at the model's rate
network     magnitudes → masks            masks      masks → spectra of stems
wiener      their refinement              synthesis  all of these → blocks of stems
"""
