"""Whether two studies are of one patient, told by keyed digests, so that the ledger holds no patient's value in clear.

HMAC-SHA-256 under a secret of this site: without it nobody can try names or ids against the ledger.
"""

import hashlib
import hmac
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # the node knows the ledger and not pydicom, whose import brings every decoder along
    from pydicom.dataset import Dataset


@dataclass(frozen=True, kw_only=True)
class PatientKey:
    """Who a patient is, in digests (hex).

    Attributes:
        id_key: Of the patient id.
        issuer_key: Of the issuer of that id; empty where none is named.
        person_key: Of birth date, sex and name.
    """

    id_key: str
    issuer_key: str
    person_key: str

    def contradicts(self, other: "PatientKey") -> bool:
        """Say whether two studies share an id although nobody can tell that they are of one patient.

        One id from two named issuers is no contradiction: those are two patients.
        """
        if self.id_key != other.id_key or self == other:
            return False
        return not (self.issuer_key and other.issuer_key and self.issuer_key != other.issuer_key)


def patient_key(secret: bytes, attributes: "Dataset") -> PatientKey | None:
    """Return whose study this is; None where the dataset cannot say it for sure.

    Id, name and birth date must be there: every anonymised study is of "Anonymous" with the id "0". Padding, case,
    Unicode forms and trailing delimiters of a name do not count.
    """
    patient_id, issuer = _text(attributes, "PatientID"), _issuer(attributes)
    birth_date, sex = _text(attributes, "PatientBirthDate"), _text(attributes, "PatientSex")
    name = _name(_text(attributes, "PatientName").casefold())
    if not (patient_id and birth_date and name):
        return None
    return PatientKey(
        id_key=_digest(secret, "id", patient_id),
        issuer_key=_digest(secret, "issuer", issuer) if issuer else "",
        person_key=_digest(secret, "person", birth_date, sex, name),
    )


def _digest(secret: bytes, *parts: str) -> str:
    return hmac.new(secret, "\x1f".join(parts).encode(), hashlib.sha256).hexdigest()


def _issuer(attributes: "Dataset") -> str:
    """Return local and universal name of the issuer (PS3.3 10.14)."""
    qualifiers = attributes.get("IssuerOfPatientIDQualifiersSequence") or ()
    universal = [_text(item, "UniversalEntityID") for item in qualifiers][:1]
    return "\x1e".join((_text(attributes, "IssuerOfPatientID"), *universal)).strip("\x1e")


def _name(value: str) -> str:
    groups = ["^".join(" ".join(part.split()) for part in group.split("^")).rstrip("^") for group in value.split("=")]
    return "=".join(groups).rstrip("=")


def _text(attributes: "Dataset", keyword: str) -> str:
    value = attributes.get(keyword)
    return "" if value is None else unicodedata.normalize("NFKC", str(value)).strip(" \0")
