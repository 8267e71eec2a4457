"""What onnx raises over bytes that are no network: no common base."""

import onnx
from google.protobuf.message import Error as ProtobufError

#: A ValueError is text that is no UTF-8, or more than a file can hold.
NO_NETWORK = (ProtobufError, onnx.checker.ValidationError, ValueError)
