"""Official checkpoints → ONNX graphs, built by hand.

process      strangers' files in a process of their own, which has limits
child        that process
registry     which families there are         family  what a family is
passages     what YAML files of trainings tell of stems, and of how songs are cut
families     one module each: its checkpoint's names, its network, the manifest's tables
checkpoints  the containers that weights come in, opened without what wrote them
graphs       the layers that networks are built of
quantisation  products of floats → products of integers
inspection   whether a graph of a stranger's is harmless to run
examples     the song that a package of weights may carry
"""
