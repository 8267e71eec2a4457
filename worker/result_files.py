"""Results on disk: durable, private, named by kind and content."""

import hashlib
from pathlib import Path

from models.durable_file import write_durably
from worker.jobs.job_records import ResultFile
from worker.objects.object_encoding import ResultObject

#: Of its digest, in a name.
_DIGITS = 16


def write_result(root: Path, folder: str, made: ResultObject, *, name: str = "") -> ResultFile:
    """Write an object into a folder below the root of the results; return what the ledger keeps of it.

    Its name begins with its kind unless another is given, and ends with its digest: a worker that comes too late, or a
    second read of the job, never changes a file that the ledger refers to, nor what is made of it.
    """
    sha256 = hashlib.sha256(made.data).hexdigest()
    file = Path(folder) / f"{name or made.kind.lower()}-{sha256[:_DIGITS]}.dcm"
    write_durably(root / file, made.data)
    return ResultFile(
        kind=made.kind,
        sop_class_uid=made.sop_class_uid,
        sop_instance_uid=made.sop_instance_uid,
        series_instance_uid=made.series_instance_uid,
        file=file.as_posix(),
        sha256=sha256,
    )
