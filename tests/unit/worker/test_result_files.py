"""Results on disk: what is recorded is what lies there."""

import hashlib
from pathlib import Path

from worker.objects.object_encoding import ResultObject
from worker.result_files import write_result


def made(data: bytes, uid: str = "1.2.3") -> ResultObject:
    """Return an object with these bytes."""
    return ResultObject(kind="SEG", sop_class_uid="1.2", sop_instance_uid=uid, series_instance_uid="1.3", data=data)


def test_a_late_worker_changes_no_file_that_is_recorded(tmp_path: Path) -> None:
    """Nor does a second read of the job: other bytes have another name, and the same ones the same."""
    recorded = write_result(tmp_path, "study/7", made(b"recorded"))
    late = write_result(tmp_path, "study/7", made(b"late", "1.2.4"))
    assert late.file != recorded.file
    assert (tmp_path / recorded.file).read_bytes() == b"recorded"
    assert recorded.sha256 == hashlib.sha256(b"recorded").hexdigest()
    assert write_result(tmp_path, "study/7", made(b"recorded")) == recorded
    assert write_result(tmp_path, "study/7", made(b"x"), name="not-read").file.startswith("study/7/not-read-")
