"""The receiving process knows neither arrays nor decoders."""

import subprocess
import sys

PROGRAM = """
import sys
import ops.cli
from ops.lean import without_decoders
without_decoders()
import ops.node_daemon
loaded = [name for name in ("numpy", "gdcm", "scipy", "onnxruntime", "highdicom") if sys.modules.get(name) is not None]
print(loaded)
"""


def test_the_node_imports_no_arrays() -> None:
    """What the command line and `wetread node` import works without numpy and decoders, and imports none."""
    done = subprocess.run([sys.executable, "-P", "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
