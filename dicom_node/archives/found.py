"""What an archive says that it holds; needs no network library, so that a worker can speak of it."""

from dataclasses import dataclass

from dicom_node.archives.identity import StudyIdentity


@dataclass(frozen=True, kw_only=True)
class FoundStudy:
    """A study in an archive, as the archive describes it.

    Attributes:
        study_instance_uid: (0020,000D).
        study_date: (0008,0020), YYYYMMDD; empty where the archive does not say it.
        study_time: (0008,0030).
        identity: Whose it is; its repr shows no value.
    """

    study_instance_uid: str
    study_date: str
    study_time: str
    identity: StudyIdentity


@dataclass(frozen=True, kw_only=True)
class FoundSeries:
    """A series in an archive.

    Attributes:
        series_instance_uid: (0020,000E).
        series_description: (0008,103E), empty where the archive does not say it.
    """

    series_instance_uid: str
    series_description: str
