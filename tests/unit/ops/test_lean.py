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


DELIVERER = """
import sys
import ops.cli
import ops.deliver_daemon
print([name for name in ("dicomweb_client", "highdicom", "onnxruntime") if sys.modules.get(name) is not None])
"""


def test_the_deliverer_imports_no_client_that_nobody_asked_for() -> None:
    """DICOMweb's library comes with the first destination that needs it."""
    done = subprocess.run([sys.executable, "-P", "-c", DELIVERER], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_node_imports_no_arrays() -> None:
    """What the command line and `wetread node` import works without numpy and decoders, and imports none."""
    done = subprocess.run([sys.executable, "-P", "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"
