"""The containers that weights come in, opened without the programs that wrote them.

torch_files      pickles of PyTorch, of arrays only
demucs_packages  those of Demucs, which also say how to build the network
tensorflow       checkpoints of TensorFlow
nnabla_files     HDF5 of nnabla
"""
