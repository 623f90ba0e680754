"""Weights → ONNX graphs: published checkpoints, one file per family, and those trained here."""
