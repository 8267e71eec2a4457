"""The annexes of docs/conformance.md: objects, attributes, classes, codes and character sets, made from the code."""

from importlib.metadata import version

from pydicom.uid import UID_dictionary

from dicom_node.contexts import is_storage, supported
from dicom_node.datasets.character_sets import DEFINED_TERMS
from ops.reference.coded_terms import coded_terms
from ops.reference.conformance_acceptances import services
from ops.reference.markdown import name_of, table
from worker.instances.identity_rules import COPIED, named
from worker.object_kinds import KINDS

#: Libraries whose dictionaries decide which classes there are, and their names.
DICTIONARIES = ("pydicom", "pynetdicom")


def accepted() -> tuple[str, ...]:
    """Return every SOP class of the standard whose contexts the node accepts."""
    known = [uid for uid, entry in UID_dictionary.items() if entry[1] == "SOP Class"]
    taken = {str(context.abstract_syntax) for context in supported(known, services())}
    return tuple(uid for uid in known if uid in taken)


def objects() -> str:
    """Return the table of objects that wetread makes."""
    rows = (
        (
            kind,
            name_of(about.sop_class_uid),
            about.sop_class_uid,
            about.modality,
            "yes" if about.by_default else "no",
            about.shows,
        )
        for kind, about in KINDS.items()
    )
    return table(("kind", "SOP class", "UID", "modality", "unless told otherwise", "shows"), rows)


def copied() -> str:
    """Return the list of attributes that results take from their source."""
    return ", ".join(map(named, COPIED)) + "."


def storage() -> str:
    """Return the table of storage SOP classes that are accepted."""
    rows = ((name_of(uid), uid, "retired" if UID_dictionary[uid][3] else "") for uid in accepted() if is_storage(uid))
    return f"{_of_dictionaries()}\n\n" + table(("SOP class", "UID", ""), rows)


def terms() -> str:
    """Return the table of coded concepts."""
    rows = (
        (scheme, value, meaning, ", ".join(f"`{module}`" for module in modules))
        for (scheme, value, meaning), modules in coded_terms().items()
    )
    return f"{_of_dictionaries()}\n\n" + table(("scheme", "value", "meaning", "written by"), rows)


def _of_dictionaries() -> str:
    return f"By the dictionaries of {' and '.join(f'{name} {version(name)}' for name in DICTIONARIES)}."


def character_sets() -> str:
    """Return the list of Defined Terms that are decoded."""
    return ", ".join(DEFINED_TERMS) + "."
