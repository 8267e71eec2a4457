"""Names as their sender wrote them: by the declared character set, by one that the site knows of the sender, or not.

Decided for an object as a whole: a Specific Character Set that cannot decode one value is not the set of the others.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag

from dicom_node.datasets.character_sets import NotInCharacterSet, decoded, is_plain, terms_of
from dicom_node.datasets.parse_errors import PARSE_ERRORS
from worker.errors import CharactersUnknown
from worker.instances.identity_rules import COPIED, named

#: By AE title of the sender, the Specific Character Set of its objects where what they declare is wrong or missing.
AssumedSets = Mapping[str, Sequence[str]]

#: PS3.5 6.1.2.3: the VRs whose characters Specific Character Set decides; those of one value come last.
_SPLIT, _WHOLE = ("LO", "PN", "SH", "UC"), ("LT", "ST", "UT")
_IN_UNICODE = "ISO_IR 192"
_Text = tuple[Dataset, RawDataElement, str]


def settle(dataset: Dataset, assumed: AssumedSets, keywords: Sequence[str] = COPIED) -> None:
    """Put characters in place of the bytes of a parsed dataset's attributes, so that nothing later guesses them.

    Args:
        dataset: Freshly parsed, with its file meta information; what has been looked at before stays as it is.
        assumed: Of senders.
        keywords: Attributes that must be right.

    Raises CharactersUnknown where neither the declared set nor the sender's has all characters; the dataset is
    unchanged then.
    """
    texts = [text for text in _texts(dataset, keywords) if not is_plain(text[1].value)]
    if not texts:
        return
    declared = terms_of(dataset.get("SpecificCharacterSet"))
    sender = _sender_of(dataset)
    characters = _all_decoded(texts, declared, of_items=True)
    if characters is None and sender in assumed:
        characters = _all_decoded(texts, assumed[sender], of_items=False)
    if characters is None:
        raise CharactersUnknown(_why(declared, sender, assumed.get(sender)))
    for (owner, element, representation), value in zip(texts, characters, strict=True):
        owner.add_new(element.tag, representation, _split(value, representation))
    dataset.SpecificCharacterSet = _IN_UNICODE


def _texts(dataset: Dataset, keywords: Sequence[str]) -> Iterator[_Text]:
    """Yield (what holds it, element, VR) of each text that is still as it came, those inside sequences too."""
    for keyword in keywords:
        if keyword in dataset:
            # A sequence that cannot be parsed is met again where its attribute is taken, and left out there.
            with suppress(*PARSE_ERRORS):
                yield from _in_element(dataset, Tag(keyword), dictionary_VR(keyword))


def _in_element(owner: Dataset, tag: int, representation: str) -> Iterator[_Text]:
    if representation == "SQ":
        for item in owner[tag].value or ():
            for inner in list(item.keys()):
                yield from _in_element(item, inner, _representation(item, inner))
        return
    element = owner.get_item(tag)
    if representation in (*_SPLIT, *_WHOLE) and isinstance(element, RawDataElement) and element.value:
        yield owner, element, representation


def _representation(item: Dataset, tag: int) -> str:
    element = item.get_item(tag)
    try:
        return str(element.VR) if element is not None and element.VR else dictionary_VR(tag)
    except KeyError:
        return "UN"  # private, and left out of every result


def _all_decoded(texts: Sequence[_Text], terms: Sequence[str], *, of_items: bool) -> list[str] | None:
    """Return the characters of all, None where one cannot be decoded; items may declare a set of their own (7.5.3)."""
    try:
        return [
            decoded(
                bytes(element.value),
                (of_items and terms_of(owner.get("SpecificCharacterSet"))) or terms,
                name=representation == "PN",
            )
            for owner, element, representation in texts
        ]
    except NotInCharacterSet:
        return None


def _split(value: str, representation: str) -> str | list[str]:
    if representation in _WHOLE:
        return value.rstrip(" \0")
    parts = [part.rstrip(" \0") for part in value.rstrip("\0").split("\\")]
    return parts if len(parts) > 1 else parts[0]


def _sender_of(dataset: Dataset) -> str:
    meta = getattr(dataset, "file_meta", None)
    return str((meta.get("SourceApplicationEntityTitle") if meta is not None else None) or "").strip()


def _why(declared: Sequence[str], sender: str, assumed: Sequence[str] | None) -> str:
    what = named("SpecificCharacterSet")
    begin = f"{what} does not cover" if declared else f"{what} is missing, and ASCII does not cover"
    told = f"{begin} the characters of patient and study, so a name could only be guessed"
    if assumed:
        return (
            f"{told}; nor does `assume_character_set` of {sender} under [[node.peers]]: correct either, restart, and "
            "`wetread retry` the job"
        )
    return (
        f"{told}; correct it at its sender, or say what {sender or 'the sender'} really uses with "
        "`assume_character_set` under [[node.peers]], restart, and `wetread retry` the job"
    )
