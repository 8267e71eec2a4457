"""What runs a network. In reading order:

runtime          what all of them can: load, infer, close
onnx_runtime     (onnx_failures), openvino_runtime, torch_runtime; those of TensorRT are in `models.engines`
processor        which this machine has
"""
