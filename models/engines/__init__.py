"""TensorRT. In reading order:

tensorrt_runtime  one runtime among others
tensorrt_build    from ONNX to an engine (tensorrt_graph); engine_cache keeps it
tensorrt_memory   runs it (cuda_driver); tensorrt_caches keeps timings and kernels
"""
