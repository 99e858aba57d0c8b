"""Models we train ourselves, from data to ONNX."""
