"""The tables of docs/conformance.md about services, statuses, settings and objects, made from the code.

python -m ops.reference.conformance_reference docs/conformance.md
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

from pydantic import BaseModel
from pydicom.dataset import Dataset

from dicom_node.archives.sender import OutcomeKind, outcome_of
from dicom_node.archives.statuses import RETRIEVE, STORE
from dicom_node.contexts import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    TRANSFER_SYNTAXES,
    is_storage,
    supported,
)
from dicom_node.errors import StoreRefused
from dicom_node.settings import NodeSettings
from ops.reference.conformance_acceptances import ACCEPTANCES, Acceptance, services
from ops.reference.conformance_activities import ACTIVITIES, Activity, Proposal
from ops.reference.conformance_annexes import accepted, character_sets, copied, objects, storage, terms
from ops.reference.generated_section import rewrite, with_section
from ops.reference.markdown import name_of, table
from ops.reference.settings_reference import as_toml, what
from worker.delivery.delivery_answers import state_after_answer
from worker.object_kinds import KINDS
from worker.settings import DeliverySettings


def overview() -> str:
    """Return the table of network services."""
    offers = [(name_of(uid), uid, "", "yes") for uid in accepted() if not is_storage(uid)]
    asked: dict[str, None] = {}
    for activity in ACTIVITIES:
        for proposal in activity.proposals:
            if proposal.role == "SCU":
                asked |= dict.fromkeys(uid for uid in proposal.sop_classes if not is_storage(uid))
    ours = {about.sop_class_uid: None for about in KINDS.values()}
    provided = {uid for _, uid, _, _ in offers}
    rows = [(name, uid, "yes" if uid in asked else "", scp) for name, uid, _, scp in offers]
    rows += [(name_of(uid), uid, "yes", "") for uid in asked if uid not in provided]
    rows += [(name_of(uid), uid, "yes", "yes" if is_storage(uid) else "") for uid in ours]
    rows.append(("every other storage SOP class (8.2), private ones too", "", "`wetread send`", "yes"))
    return table(
        ("SOP class", "UID", "user of service (SCU)", "provider of service (SCP)"),
        ((name, uid, scu or "no", scp or "no") for name, uid, scu, scp in rows),
    )


def activities() -> str:
    """Return the tables of what is proposed, an activity each."""
    return "\n\n".join(_activity(number, activity) for number, activity in enumerate(ACTIVITIES, start=1))


def _activity(number: int, activity: Activity) -> str:
    asked = ", ".join(map(_service, activity.services))
    rows = [row for proposal in activity.proposals for row in _proposed(proposal)]
    contexts = table(("abstract syntax", "UID", "transfer syntaxes", "role"), rows)
    about = f"{asked}, by {activity.by}. When: {activity.when}. {activity.detail}".rstrip()
    return f"##### 4.2.1.3.{number} {activity.name}\n\n{about}\n\n{contexts}"


def _service(method: str) -> str:
    _, kind, name = method.split("_", 2)
    return f"{kind}-{name}".upper().replace("_", "-")


def _proposed(proposal: Proposal) -> Iterator[tuple[str, str, str, str]]:
    for uid in proposal.sop_classes:
        yield name_of(uid), uid, proposal.transfer_syntaxes, proposal.role
    if proposal.what:
        yield proposal.what, "", proposal.transfer_syntaxes, proposal.role


def acceptance() -> str:
    """Return the tables of contexts that are accepted, and the transfer syntaxes of storage in their order."""
    syntaxes = table(
        ("", "transfer syntax", "UID"),
        ((str(number), name_of(uid), uid) for number, uid in enumerate(TRANSFER_SYNTAXES, start=1)),
    )
    return "\n\n".join(
        (
            *(_acceptance(number, one) for number, one in enumerate(ACCEPTANCES, start=1)),
            "##### Transfer syntaxes of storage",
            "Of those that a context for storage offers, the first of these is accepted:",
            syntaxes,
        )
    )


def _acceptance(number: int, one: Acceptance) -> str:
    contexts = {str(context.abstract_syntax): context for context in supported(one.sop_classes, services())}
    rows = [
        (name_of(uid), uid, ", ".join(map(name_of, map(str, contexts[uid].transfer_syntax))), one.role, one.negotiation)
        for uid in one.sop_classes
    ]
    if not rows:
        ours = "storage SOP classes (8.2), whatever else is below their root, and private ones"
        rows = [(ours, "", "below, in their order", one.role, one.negotiation)]
    accepted_contexts = table(("abstract syntax", "UID", "transfer syntaxes", "role", "extended negotiation"), rows)
    return f"##### 4.2.1.4.{number} {one.name}\n\n{one.services}, by {one.by}. {one.detail}\n\n{accepted_contexts}"


def store_statuses() -> str:
    """Return the table of what the node answers to a C-STORE."""
    kept = "the bytes are on disk under their final name, file and directories synced; or they were there already"
    rows = [("0000", "", kept, "nothing")]
    refusals: dict[int, list[type[StoreRefused]]] = {}
    every: tuple[type[StoreRefused], ...] = (*StoreRefused.__subclasses__(), StoreRefused)
    for refusal in every:
        refusals.setdefault(refusal.status, []).append(refusal)
    rows += [
        (f"{status:04X}", kind.comment, kind.means, kind.sender_does)
        for status, kinds in sorted(refusals.items())
        for kind in kinds
    ]
    return table(("status", "Error Comment", "means", "what the sender should do"), rows)


def archive_statuses() -> str:
    """Return the tables of how the answers of archives are taken."""
    stores = (
        (f"{_digits(status)}", meaning.what, _state_of(status), meaning.remedy or "nothing")
        for status, meaning in sorted(STORE.items())
    )
    retrievals = (
        (_digits(status), meaning.what, meaning.remedy or "nothing") for status, meaning in sorted(RETRIEVE.items())
    )
    return "\n\n".join(
        (
            "C-STORE of results:",
            table(("status", "means", "the delivery becomes", "what to do"), stores),
            "C-GET and C-MOVE of `wetread pull`:",
            table(("status", "means", "what to do"), retrievals),
        )
    )


def _digits(status: int) -> str:
    text = f"{status:04X}"
    return {"A700": "A7xx", "A900": "A9xx", "C000": "Cxxx"}.get(text, text)


def _state_of(status: int) -> str:
    response = Dataset()
    response.Status = status
    outcome = outcome_of("1.2.3", response)
    state, _ = state_after_answer(outcome)
    return f"{state}, with the warning recorded" if outcome.kind is OutcomeKind.WARNING else str(state)


def identification() -> str:
    """Return the table of how an implementation names itself."""
    return table(
        ("", ""),
        (
            ("Application Context Name", "1.2.840.10008.3.1.1.1"),
            ("Implementation Class UID", IMPLEMENTATION_CLASS_UID),
            ("Implementation Version Name", IMPLEMENTATION_VERSION_NAME),
        ),
    )


def configuration() -> str:
    """Return the table of settings that decide about associations and deliveries."""
    node = _settings(
        "node",
        NodeSettings,
        "ae_title", "host", "port", "max_pdu_bytes", "max_associations", "acse_timeout_s", "network_timeout_s",
        "dimse_timeout_s", "quiet_time_s", "association_hold_s", "hard_cap_s", "counts_from", "ask_after_s", "settle_s",
        "min_free_bytes", "max_backlog", "priority_ae_titles",
    )  # fmt: skip
    return table(("parameter", "default", "what it does"), (*node, *_settings("delivery", DeliverySettings)))


def _settings(section: str, record: type[BaseModel], *names: str) -> list[tuple[str, str, str]]:
    fields = record.model_fields
    return [(f"`{section}.{name}`", _default(fields[name].default), what(fields[name])) for name in names or fields]


def _default(value: object) -> str:
    return "left out" if value is None else f"`{as_toml(value)}`"


#: By the name of the section.
SECTIONS: Mapping[str, Callable[[], str]] = {
    "overview": overview,
    "identification": identification,
    "activities": activities,
    "store statuses": store_statuses,
    "archive statuses": archive_statuses,
    "configuration": configuration,
    "character sets": character_sets,
    "objects": objects,
    "copied": copied,
}
#: Those that another version of a library's dictionary changes.
BY_DICTIONARY: Mapping[str, Callable[[], str]] = {"acceptance": acceptance, "storage": storage, "terms": terms}


def replaced(document: str, sections: Mapping[str, Callable[[], str]]) -> str:
    """Return the document with these tables as they should be."""
    for name, content in sections.items():
        document = with_section(document, name, content())
    return document


if __name__ == "__main__":
    rewrite(partial(replaced, sections={**SECTIONS, **BY_DICTIONARY}))
