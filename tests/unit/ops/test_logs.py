"""What libraries would say of values never reaches the log."""

import subprocess
import sys

PROGRAM = """
from ops import logs
logs.configure()
import warnings
from io import BytesIO
from pydicom import dcmread
from pydicom.data import get_testdata_file
from pathlib import Path
data = Path(get_testdata_file("CT_small.dcm")).read_bytes()
assert data.count(b"20040119") > 0
dataset = dcmread(BytesIO(data.replace(b"20040119", b"CANARY/7")))
print([str(element.value) for element in dataset.iterall() if element.VR == "DA"].count("CANARY/7"))
warnings.warn("CANARY/7", UserWarning)
"""


def test_a_value_that_pydicom_warns_of_is_not_printed() -> None:
    """Of invalid values pydicom warns, and quotes them, through its logger and as warnings: neither is seen."""
    done = subprocess.run([sys.executable, "-P", "-c", PROGRAM], check=True, capture_output=True, text=True)
    assert int(done.stdout) > 0
    assert done.stderr == ""
