"""Mixture → stems: the pipeline, told in the order in which the signal flows.

options      what the user wants              loading      manifest and weights → networks
separator    the pipeline, block by block     framing      blocks → segments, at the model's rate

network      what is asked of networks        runtime      graphs in ONNX Runtime
providers    what these run on
masking      segments → masks, by a network   phase        what it may see beside magnitudes
composition  several networks as one          filters      splits without training
masks        masks → spectra of stems         wiener       their refinement

signals      segments → signals, by a network
spectral     that sees complex spectra        hybrid       or these and samples

bands        signals → spectra of several rates, joined, and back
banded       whose masks a network gives
quantising   networks → the same in int8, as far as a song allows

synthesis    all of these → blocks of stems   ensembles    what several separations agree on
"""
