"""The receiving process knows neither arrays nor decoders, and the command line no database."""

import subprocess
import sys

PROGRAM = """
import sys
import ops.cli
import ops.worker_daemon
print([name for name in ("numpy", "pydicom", "pynetdicom", "sqlalchemy", "celery", "redis") if name in sys.modules])
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
    """What `wetread node` imports works without numpy and decoders; all commands and supervisors import less."""
    done = subprocess.run([sys.executable, "-P", "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "[]"]
