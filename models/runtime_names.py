"""The names of the runtimes, as settings and extras use them; imports nothing, since the node reads settings too."""

from typing import Literal

RuntimeName = Literal["onnxruntime", "openvino"]
