"""Python code reads in a process of its own, with limits."""

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.card.manifest import load_card
from models.catalog import ModelState
from models.errors import CardError, InputRefused, ModelError, RuntimeFailed
from models.reading import read
from models.runtimes.runtime import Arrays
from models.volume import Volume
from tests.code_models import NUMBERS, bright, code_entry

GOOD = "    return {'labels': (source['array'] > source['array'].mean()).astype('uint8')}\n"


def nobody(_network: str, _inputs: Arrays) -> Arrays:
    """Answer nothing: a model that comes as code asks no network."""
    raise AssertionError("no network is asked")


def test_code_draws_on_the_sources_grid(tmp_path: Path, ball: Volume) -> None:
    """Labels come back voxel by voxel, are measured like any other's, and the record says what ran."""
    entry = code_entry(tmp_path, GOOD)
    assert entry.state is ModelState.READY
    reading = read(entry.card, ball, nobody)
    assert reading.labels is not None
    np.testing.assert_array_equal(reading.labels, bright(np.asarray(ball.array)))
    assert reading.runtime == "entry-point bright 1.2.3"
    assert reading.structures[0].measurements[0].value == pytest.approx(33.5, rel=0.02)


def test_a_mask_of_true_and_false_is_label_1(tmp_path: Path, ball: Volume) -> None:
    """What a comparison gives need not be made numbers first."""
    body = "    return {'labels': source['array'] > source['array'].mean()}\n"
    reading = read(code_entry(tmp_path, body).card, ball, nobody)
    assert reading.labels is not None
    np.testing.assert_array_equal(reading.labels, bright(np.asarray(ball.array)))


def test_code_gets_the_source_and_nothing_of_ours(
    tmp_path: Path, ball: Volume, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It sees array, affine and kind; no secret of ours reaches it, but that ONNX Runtime is to tell nobody."""
    monkeypatch.setenv("WETREAD_LEDGER__URL", "postgresql://user:secret@host/db")
    body = (
        "    assert source['kind'] == 'volume' and source['affine'].shape == (4, 4)\n"
        "    assert not [key for key in os.environ if key.startswith('WETREAD')]\n"
        "    assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n" + GOOD
    )
    assert read(code_entry(tmp_path, body).card, ball, nobody).structures


def test_code_may_answer_numbers(tmp_path: Path, ball: Volume) -> None:
    """Those of the card, in its order, within what is plausible; the record says what ran."""
    reading = read(code_entry(tmp_path, "    return {'numbers': [34, 55.5]}\n", NUMBERS).card, ball, nobody)
    assert [(one.value, one.unit.value) for one in reading.measurements] == [(34.0, "a"), (55.5, "%")]
    assert reading.runtime == "entry-point bright 1.2.3"


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ("{'numbers': [34, 95]}", r"Ejection Fraction: 95 % \(plausible at least 5 and at most 90\)"),
        ("{'numbers': [34]}", r"\(1,\)\}, not \(1, 2\)"),
        ("{'numbers': ['34', '55']}", "something else than arrays of numbers"),
        ("{'numbers': [34j, 55]}", "something else than arrays of numbers"),
        ("{'labels': source['array'] > 3}", "code answers labels of a volume, probabilities of classes or numbers, as"),
    ],
)
def test_numbers_of_code_are_held_against_its_card(tmp_path: Path, ball: Volume, answer: str, words: str) -> None:
    """As those of a network are."""
    with pytest.raises(ModelError, match=words):
        read(code_entry(tmp_path, f"    return {answer}\n", NUMBERS).card, ball, nobody)


@pytest.mark.parametrize("loud", [True, False])
def test_what_code_prints_is_shown_to_who_asks(
    tmp_path: Path, ball: Volume, capfd: pytest.CaptureFixture[str], *, loud: bool
) -> None:
    """`wetread models run` shows it, with the traceback of what failed; the service does not."""
    body = "    print('looking')\n    raise ValueError('no brain')\n"
    with pytest.raises(ModelError):
        read(code_entry(tmp_path, body).card, ball, nobody, loud=loud)
    told = "".join(capfd.readouterr())
    assert ("looking" in told, "no brain" in told) == (loud, loud)


#: An array of half a petabyte, of which the file has the header.
HUGE = """\
    import zipfile
    with zipfile.ZipFile("answer.npz", "w") as archive, archive.open("labels.npy", "w") as stream:
        described = {"descr": "<f8", "fortran_order": False, "shape": (1 << 46,)}
        np.lib.format.write_array_header_1_0(stream, described)
    os._exit(0)
"""


#: A member that is no array.
RAW = """\
    import zipfile
    with zipfile.ZipFile("answer.npz", "w") as archive:
        archive.writestr("labels", b"no array")
    os._exit(0)
"""
#: A member that is deflated by a method of its own.
ODD = """\
    np.savez("answer.npz", labels=np.zeros(3))
    content = bytearray(open("answer.npz", "rb").read())
    content[8] = content[content.index(b"PK\\1\\2") + 10] = 99
    open("answer.npz", "wb").write(content)
    os._exit(0)
"""


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("    raise ValueError('Canary^Bird')\n", "ended with status 1"),
        ("    os.abort()\n", "ended by SIGABRT"),
        ("    return {'labels': source['array'][:2].astype('uint8')}\n", "labels uint8"),
        ("    return {'labels': np.full(source['array'].shape, np.nan)}\n", "labels float64 .* of an integer type"),
        ("    return {'labels': np.full(source['array'].shape, 300)}\n", "from 0 to 255"),
        (
            "    return {'labels': np.full(source['array'].shape, 7)}\n",
            r"label 7 is not on the card; mend \[\[labels\]\]",
        ),
        ("    return {'labels': np.zeros((900, 900, 90), 'uint8')}\n", "more than its source"),
        ("    return {'other': np.zeros(3)}\n", "a dict with labels, probabilities or numbers"),
        ("    return 5\n", "a dict with labels, probabilities or numbers"),
        ("    np.ones(1 << 33)\n", "ended with status 1"),
        ("    open('answer.npz', 'wb').write(b'no zip')\n    os._exit(0)\n", "left no answer"),
        (HUGE, "left no answer"),
        (HUGE.replace("(1 << 46,)", "(1 << 99,)"), "left no answer"),
        (RAW, "something else than arrays of numbers"),
        (ODD, "left no answer"),
        ("    os.mkfifo('answer.npz')\n    os._exit(0)\n", "something else than a file"),
        ("    os.symlink('source.npz', 'answer.npz')\n    os._exit(0)\n", "something else than a file"),
    ],
)
def test_what_goes_wrong_there_has_a_name_here(tmp_path: Path, ball: Volume, body: str, words: str) -> None:
    """A crash, a wrong answer, too much memory: each ends the job by name, and what the code said is not repeated."""
    with pytest.raises(ModelError, match=words) as failure:
        read(code_entry(tmp_path, body).card, ball, nobody)
    assert "Canary" not in str(failure.value)


def test_code_that_does_not_end_is_ended(tmp_path: Path, ball: Volume, wait_for: Callable[..., None]) -> None:
    """After its time limit it is killed with the children that it started."""
    children = tmp_path / "children"
    body = f"    if os.fork() == 0:\n        open('{children}', 'w').write(str(os.getpid()))\n    time.sleep(600)\n"
    entry = code_entry(tmp_path, body, time_limit_s=3.0)
    started = time.monotonic()
    with pytest.raises(RuntimeFailed, match="longer than its 3 s"):
        read(entry.card, ball, nobody)
    assert time.monotonic() - started < 20
    pid = int(children.read_text())
    wait_for(lambda: not Path(f"/proc/{pid}").exists() or _is_zombie(pid), what="the end of the child")


def _is_zombie(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_another_version_is_refused(tmp_path: Path, ball: Volume) -> None:
    """The card pins the package's version; a missing entry point says what to install."""
    with pytest.raises(RuntimeFailed, match=r"another version than the card's 9\.9"):
        read(code_entry(tmp_path / "a", GOOD, version="9.9").card, ball, nobody)
    entry = code_entry(tmp_path / "b", GOOD)
    for file in (tmp_path / "b" / "site").rglob("entry_points.txt"):
        file.write_text("")
    with pytest.raises(RuntimeFailed, match="pip install its package"):
        read(entry.card, ball, nobody)


def test_networks_and_code_do_not_mix(tmp_path: Path) -> None:
    """A card with an entry point has no preparation and no networks, and the other way round."""
    card = code_entry(tmp_path, GOOD).directory / "model.toml"
    text = card.read_text()
    image = 'kind = "image"\nsize = [8, 8]\nnormalisation = "min-max"'
    for wrong, told in (
        (
            text.replace('kind = "none"', image),
            "entry-point does not go with preparation.kind = image",
        ),
        (text + "\n[networks.main]\n", "entry-point and command, and only they, go without"),
    ):
        card.write_text(wrong)
        with pytest.raises(CardError, match=told):
            load_card(card)


def test_code_of_a_label_map_reads_volumes_only(tmp_path: Path) -> None:
    """Anything else than a volume is refused before the labels are looked at."""
    from models.volume import Image  # noqa: PLC0415

    image = Image(array=np.arange(12.0).reshape(1, 3, 4), spacing_mm=None)
    with pytest.raises((InputRefused, CardError)):
        read(code_entry(tmp_path, GOOD).card, image, nobody)
    assert os.environ  # the test's own environment is untouched
