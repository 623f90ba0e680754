"""The families of checkpoints, a module each.

spleeter     openunmix    xumx         d3net        of masks
vr                                                 of one mask
demucs       hdemucs      waveunet     mdx          of signals
mdx23c       scnet                                  of signals, by their spectra
roformer                                            of signals, through masks of complex spectra
"""
