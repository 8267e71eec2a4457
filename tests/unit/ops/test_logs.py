"""What libraries would say of values never reaches the log."""

import json
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


FOREIGN = """
from ops import logs
logs.configure(json=True)
import logging
class OutOfMemoryError(Exception): pass
log = logging.getLogger("kombu.asynchronous.hub")
try:
    raise OutOfMemoryError("command not allowed CANARY/7")
except OutOfMemoryError:
    log.error("Error in timer: %s\\n and more", "server", exc_info=True)
log.warning("%s", "x" * 1000)
class ResponseError(Exception): pass
try:
    raise ResponseError("MISCONF CANARY/7")
except ResponseError:
    log.critical("Unrecoverable error: %s", "server:ResponseError", exc_info=True)
"""


def test_what_a_library_logs_is_one_event_a_line() -> None:
    """No traceback, with cause and remedy where we know them, and the error's own words left out."""
    done = subprocess.run([sys.executable, "-P", "-c", FOREIGN], check=True, capture_output=True, text=True)
    error, warning, refusal = map(json.loads, done.stderr.splitlines())
    assert (error["level"], error["library"], error["said"]) == (
        "error",
        "kombu.asynchronous.hub",
        "Error in timer: server",
    )
    assert (error["error"], error["cause"]) == ("OutOfMemoryError", "Redis is full")
    assert "maxmemory" in error["remedy"]
    assert error["place"].startswith("<string>:")
    assert "CANARY" not in done.stderr
    assert len(warning["said"]) == 300
    assert "its disk is full" in refusal["cause"]
    assert "/readyz" in refusal["remedy"]


ASKING = """
import logging
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from ops import logs
logs.configure()
from dicom_node.archives.dicomweb_archive import DicomWebArchive

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Warning", '299 archive "CANARY/7"')
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"[]")

    def log_message(self, *_):
        pass

server = HTTPServer(("127.0.0.1", 0), Handler)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(DicomWebArchive(f"http://127.0.0.1:{server.server_port}").find_study("2.25.1"))
for name in ("urllib3.connectionpool", "requests.sessions"):
    logging.getLogger(name).warning("CANARY/7")
"""


def test_an_archive_s_warning_is_not_printed() -> None:
    """A DICOMweb archive's Warning header is its free text, and its library logs it."""
    done = subprocess.run([sys.executable, "-P", "-c", ASKING], check=True, capture_output=True, text=True)
    assert done.stdout == "None\n"
    assert done.stderr == ""
