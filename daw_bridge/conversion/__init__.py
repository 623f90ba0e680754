"""Official checkpoints → ONNX graphs, one file per family."""
