"""What the seam needs of pynetdicom is there."""

import pytest
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.dul import DULServiceProvider
from pynetdicom.timer import Timer

from dicom_node.receiving.pynetdicom_seam import PRIVATE_ATTRIBUTES, PRIVATE_NAMES


@pytest.mark.parametrize(("owner", "name"), PRIVATE_NAMES, ids=[name for _, name in PRIVATE_NAMES])
def test_a_private_method_is_there(owner: object, name: str) -> None:
    """The method is still there; where a new version moved it, `pynetdicom_seam.py` must follow."""
    assert callable(getattr(owner, name, None)), (
        f"pynetdicom moved {name}: mend dicom_node/receiving/pynetdicom_seam.py"
    )


@pytest.mark.parametrize(("owner", "name"), PRIVATE_ATTRIBUTES, ids=[name for _, name in PRIVATE_ATTRIBUTES])
def test_a_private_attribute_is_there(owner: object, name: str) -> None:
    """An association of pynetdicom, its upper layer, and a timer still have the attribute."""
    association = Association(AE(), "acceptor")
    found = {Association: association, DULServiceProvider: association.dul, Timer: association.dul.artim_timer}[owner]  # type: ignore[index]
    assert hasattr(found, name), f"pynetdicom moved {name}: mend dicom_node/receiving/pynetdicom_seam.py"
