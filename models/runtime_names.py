"""The names of the runtimes, as settings and extras use them; imports nothing, since the node reads settings too."""

from typing import Literal

RuntimeName = Literal["onnxruntime", "openvino", "torch", "tensorrt", "tensorrt-rtx"]

#: What a network computes in. fp32 is proven by the golden answers; the others are measured before they are used.
Precision = Literal["fp32", "fp16", "bf16", "int8"]

#: Environment variable: the directory where engines are kept; the daemons set it to one in the data directory.
ENGINE_CACHE = "WETREAD_ENGINE_CACHE"
