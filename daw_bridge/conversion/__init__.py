"""Official checkpoints → ONNX graphs, built by hand.

family       what a family is         registry     which there are
families     one module each: its checkpoint's names, its network, the manifest's tables
checkpoints  the containers that weights come in, opened without what wrote them
graphs       the layers that networks are built of
"""
