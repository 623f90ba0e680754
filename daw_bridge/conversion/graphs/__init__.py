"""The layers that networks are built of.

graph              nodes and weights, appended one by one
layers             those that know the shape they give
recurrent          LSTMs                  dconv         Demucs's residual branches
unet               Spleeter's U-Net       hybrid_unet   that of Hybrid Demucs
attention          what transformers are made of, as fused nodes
roformer           transformers over time and over bands, in turn
cross_transformer  what HT Demucs has between its two branches
cascades           those of the VR architecture, in which U-Nets see what others made
winograd           convolutions of 3 by 3 in a quarter of the products
tfc_tdf            MDX23C's U-Net
sparse_bands       SCNet                 dual_path      what it has in its middle
spectra            what networks from spectra to spectra have in common
waveforms          what networks from samples to samples have in common
"""
