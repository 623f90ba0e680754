"""Mixture → stems: the pipeline, told in the order in which the signal flows.

manifest   what a model is            weights    where its network lies
stft       samples → spectra          network    magnitudes → masks
masks      masks → complex stems      wiener     their refinement
separator  the composition, block by block
"""
