"""Datasets are made from seed and number alone, right ones are right, and every way of being wrong is taken."""

import zlib

from dicom_node.datasets.origin import judge
from dicom_node.datasets.wholeness import is_whole
from tests.fuzz import instance_mutations
from tests.fuzz.instance_case import SYNTAXES, instance_case, right_instance
from tests.unit.dicom_node.instances import STUDY


def test_a_case_is_the_same_whenever_it_is_made() -> None:
    """Seed and number alone decide; another seed or number is another case."""
    first = [instance_case(7, number) for number in range(300)]
    assert [instance_case(7, number) for number in reversed(range(300))] == first[::-1]
    assert instance_case(8, 5) != first[5]


def test_a_right_case_is_accepted() -> None:
    """In each transfer syntax, compressed and deflated ones too."""
    syntaxes = set()
    for number in range(100):
        case = right_instance(1, number)
        assert case.mutations == ()
        assert judge(case.origin, memoryview(case.dataset)).study_instance_uid == STUDY
        assert is_whole(case.dataset, case.origin.transfer_syntax_uid)
        syntaxes.add(case.origin.transfer_syntax_uid)
    assert syntaxes == set(SYNTAXES)


def test_every_way_of_being_wrong_is_taken() -> None:
    """In some thousand cases each mutation comes up, and so do bombs and datasets in another transfer syntax."""
    taken = {name.partition(" 1.2")[0] for number in range(3000) for name in instance_case(1, number).mutations}
    assert taken == {
        *(f"elements: {name}" for name in instance_mutations.OF_ELEMENTS),
        *(f"bytes: {name}" for name in instance_mutations.OF_BYTES),
        "a bomb",
        "as",
    }


def test_a_bomb_is_small_and_goes_off() -> None:
    """Few bytes become many."""
    bomb = instance_mutations.deflated(b"abc", zeros=8 << 20)
    assert len(bomb) < 20_000
    assert len(zlib.decompress(bomb, -zlib.MAX_WBITS)) == (8 << 20) + 3
