"""Figures that prove what the engine promises.

nulls       what is lost of a mixture          bss_eval    SDR, ISR, SIR, SAR
targets     what is compared with what         oracle      the best that masks can do
surround    what is in a surround mix          results     figures of songs, and their medians
plots       pictures                           report      a page with all of them
"""
