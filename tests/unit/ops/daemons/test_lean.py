"""The receiving process knows neither arrays nor decoders, and the command line no database."""

import ctypes
import subprocess
import sys

import pytest

PROGRAM = """
import sys
import ops.cli
import ops.daemons.worker_daemon
print([name for name in ("numpy", "pydicom", "pynetdicom", "sqlalchemy", "celery", "redis") if name in sys.modules])
from ops.daemons.lean import without_decoders
without_decoders()
import ops.daemons.node_daemon
loaded = [name for name in ("numpy", "gdcm", "scipy", "onnxruntime", "highdicom") if sys.modules.get(name) is not None]
print(loaded)
"""


DELIVERER = """
import sys
import ops.cli
import ops.daemons.deliver_daemon
print([name for name in ("dicomweb_client", "highdicom", "onnxruntime") if sys.modules.get(name) is not None])
"""

#: Twenty threads at once, each with some memory; then how many heaps glibc says that there are.
HEAPS = """
import ctypes, sys, tempfile, threading
from ops.daemons.lean import with_few_heaps
if sys.argv[1:] == ["few"]:
    with_few_heaps()
together = threading.Barrier(20)
def work():
    held = [bytearray(1000) for _ in range(500)]
    together.wait()
threads = [threading.Thread(target=work) for _ in range(20)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
libc = ctypes.CDLL(None)
libc.fopen.restype = ctypes.c_void_p
with tempfile.NamedTemporaryFile() as told:
    file = ctypes.c_void_p(libc.fopen(told.name.encode(), b"w"))
    libc.malloc_info(0, file)
    libc.fclose(file)
    print(told.read().count(b"<heap nr"))
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "malloc_info"), reason="the C library is not glibc")
def test_threads_share_two_heaps() -> None:
    """Else each association may leave holes in a heap of its own."""

    def heaps(*arguments: str) -> int:
        command = [sys.executable, "-P", "-c", HEAPS, *arguments]
        return int(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    assert heaps() > 2
    assert heaps("few") <= 2


def test_the_deliverer_imports_no_client_that_nobody_asked_for() -> None:
    """DICOMweb's library comes with the first destination that needs it."""
    done = subprocess.run([sys.executable, "-P", "-c", DELIVERER], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "[]"


def test_the_node_imports_no_arrays() -> None:
    """What `wetread node` imports works without numpy and decoders; all commands and supervisors import less."""
    done = subprocess.run([sys.executable, "-P", "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert done.stdout.splitlines() == ["[]", "[]"]
