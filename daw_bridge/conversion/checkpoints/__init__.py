"""The containers that weights come in, opened without the programs that wrote them.

archives         zip, tar and compressed files, unpacked to what weights may take
pickles          programs that build values, run by a machine that imports nothing
numpy_pickles    what numpy pickles of arrays
torch_files      pickles of PyTorch, of arrays only
demucs_packages  those of Demucs, which also say how to build the network
tensorflow       checkpoints of TensorFlow
nnabla_files     HDF5 of nnabla
configurations   the files that networks were trained by
"""
