"""A storage SCP as pynetdicom's documentation shows it: python -m benchmarks.textbook_scp PORT FOLDER."""

import sys
from pathlib import Path
from typing import Any

from pynetdicom import AE, AllStoragePresentationContexts, evt

_MOST_ASSOCIATIONS = 64
_SUCCESS = 0x0000


def main(port: int, folder: Path) -> None:
    """Serve until killed."""

    def handle_store(event: Any) -> int:
        dataset = event.dataset
        dataset.file_meta = event.file_meta
        dataset.save_as(folder / f"{dataset.SOPInstanceUID}.dcm", enforce_file_format=True)
        return _SUCCESS

    entity = AE(ae_title="TEXTBOOK")
    entity.maximum_associations = _MOST_ASSOCIATIONS
    entity.supported_contexts = AllStoragePresentationContexts
    entity.start_server(("127.0.0.1", port), block=True, evt_handlers=[(evt.EVT_C_STORE, handle_store)])


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
