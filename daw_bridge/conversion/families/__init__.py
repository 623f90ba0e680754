"""The families of checkpoints, a module each.

spleeter     openunmix    xumx         d3net        of masks
demucs       hdemucs      waveunet     mdx          of signals
mdx23c       scnet                                  of signals, by their spectra
"""
