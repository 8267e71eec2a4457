"""Our calls are those of Enterprise TensorRT's own bindings: real enums and signatures, over stub libraries.

Its package on PyPI downloads its libraries from elsewhere, but the bindings alone are there. They need nine C symbols
to be imported; these are compiled here and do nothing. What the library computes is not tested by this.
"""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import platformdirs
import pytest

_SYMBOLS = (
    "createInferBuilder_INTERNAL",
    "createInferRefitter_INTERNAL",
    "createInferRuntime_INTERNAL",
    "createNvOnnxParserRefitter_INTERNAL",
    "createNvOnnxParser_INTERNAL",
    "getBuilderPluginRegistry",
    "getNvOnnxParserVersion",
    "getPluginRegistry",
    "initLibNvInferPlugins",
)
#: What `tensorrt_build` and `tensorrt_runtime` of `models.engines` name, and words that the signature must have.
_USED = {
    "Builder.create_network": ("flags",),
    "Builder.create_builder_config": (),
    "Builder.create_optimization_profile": (),
    "Builder.build_serialized_network": ("network", "config"),
    "OnnxParser.parse": ("model",),
    "OnnxParser.get_error": ("index",),
    "OnnxParser.num_errors": (),
    "INetworkDefinition.get_input": ("index",),
    "INetworkDefinition.num_inputs": (),
    "IOptimizationProfile.set_shape": ("input", "min", "opt", "max"),
    "IBuilderConfig.add_optimization_profile": ("profile",),
    "IBuilderConfig.create_timing_cache": ("serialized_timing_cache",),
    "IBuilderConfig.set_timing_cache": ("cache", "ignore_mismatch"),
    "IBuilderConfig.get_timing_cache": (),
    "ITimingCache.serialize": (),
    "Runtime.deserialize_cuda_engine": ("serialized_engine",),
    "ICudaEngine.create_execution_context": (),
    "ICudaEngine.get_tensor_name": ("index",),
    "ICudaEngine.num_io_tensors": (),
    "ICudaEngine.get_tensor_mode": ("name",),
    "ICudaEngine.get_tensor_dtype": ("name",),
    "ICudaEngine.get_tensor_profile_shape": ("name", "profile_index"),
    "IExecutionContext.set_input_shape": ("name", "shape"),
    "IExecutionContext.set_tensor_address": ("name", "memory"),
    "IExecutionContext.get_tensor_shape": ("name",),
    "IExecutionContext.execute_async_v3": ("stream_handle",),
    "ILogger.log": (),
    "ILogger.ERROR": (),
    "Logger.ERROR": (),
    "NetworkDefinitionCreationFlag.STRONGLY_TYPED": (),
    "TensorIOMode.INPUT": (),
    "nptype": (),
}
_PROGRAM = """
import json, sys
import tensorrt_bindings as trt
def found(path):
    value = trt
    for part in path.split("."):
        value = getattr(value, part, None)
    return None if value is None else (value.__doc__ or "")
flag = int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
said = {"version": trt.__version__, "nptype": str(trt.nptype(trt.DataType.UINT8)), "flag": flag}
print(json.dumps(said | {"found": {path: found(path) for path in json.loads(sys.argv[1])}}))
"""


@pytest.fixture(scope="module")
def bindings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the real bindings say of what we use."""
    folder = tmp_path_factory.mktemp("tensorrt")
    cache = Path(platformdirs.user_cache_dir("wetread-tests")) / "tensorrt-bindings"
    if not list(cache.glob("*.whl")):
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary=:all:",
            "-d",
            str(cache),
        ]
        done = subprocess.run([*command, "tensorrt_cu12_bindings>=11,<12"], capture_output=True, text=True, check=False)
        if done.returncode:
            reason = "TensorRT's bindings could not be downloaded from PyPI"
            if os.environ.get("CI"):
                pytest.fail(f"{reason}: {done.stderr[-500:]}")
            pytest.skip(reason)
    with zipfile.ZipFile(next(cache.glob("*.whl"))) as wheel:
        wheel.extractall(folder)
    source = folder / "stub.c"
    source.write_text("".join(f"void *{name}(void) {{ return 0; }}\n" for name in _SYMBOLS))
    for library in ("libnvinfer.so.11", "libnvinfer_plugin.so.11", "libnvonnxparser.so.11"):
        subprocess.run(["gcc", "-shared", "-fPIC", "-o", str(folder / library), str(source)], check=True)
    environment = os.environ | {"LD_LIBRARY_PATH": str(folder), "PYTHONPATH": str(folder)}
    done = subprocess.run(
        [sys.executable, "-P", "-c", _PROGRAM, json.dumps(list(_USED))],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said: dict[str, Any] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize("path", _USED)
def test_what_we_call_is_there(bindings: dict[str, Any], path: str) -> None:
    """The class, method or value exists, and its documented signature has the arguments that we give."""
    document = bindings["found"][path]
    assert document is not None, f"TensorRT {bindings['version']} has no {path}: mend models/engines/tensorrt_*.py"
    for argument in _USED[path]:
        assert argument in document, f"{path} of TensorRT {bindings['version']} takes no {argument}: {document[:200]}"


def test_types_are_numpys(bindings: dict[str, Any]) -> None:
    """Label numbers as uint8 have a numpy type, and networks are strongly typed by a flag."""
    assert "uint8" in bindings["nptype"]
    assert bindings["flag"] >= 0
