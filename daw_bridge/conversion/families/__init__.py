"""The families of checkpoints, a module each.

spleeter     openunmix    xumx         d3net        of masks
demucs       hdemucs      waveunet     mdx          of signals
roformer                                            of signals, through masks of complex spectra
"""
