"""When a study was made, as one string that can be compared: Study Date and Time, YYYYMMDDHHMMSS.FFFFFF."""

import re
from datetime import date
from typing import Any

_DATE = len("YYYYMMDD")
_DAY = re.compile(r"\d{8}")
_TIME = re.compile(r"\d{6}(?:\.\d{1,6})?")


def studied_at(dataset: Any) -> str:
    """Return Study Date and Time as one string for `is_before`, as far as the dataset says them."""
    day, time = str(dataset.get("StudyDate") or "").strip(), str(dataset.get("StudyTime") or "").strip()
    if not _DAY.fullmatch(day):
        return ""
    return day + (time if _TIME.fullmatch(time) else "")


def study_day(moment: str) -> date | None:
    """Return the date of `studied_at`, None where it has none or there is no such day."""
    try:
        return date(int(moment[:4]), int(moment[4:6]), int(moment[6:8]))
    except ValueError:
        return None


def is_before(then: str, now: str) -> bool:
    """Say whether a study came before another one, by Study Date and Time in one string (YYYYMMDDHHMMSS.FFFFFF).

    Without a date nobody can tell, and on one day not without both times.
    """
    if len(then) < _DATE or len(now) < _DATE:
        return False
    if then[:_DATE] != now[:_DATE]:
        return then[:_DATE] < now[:_DATE]
    return bool(then[_DATE:] and now[_DATE:]) and then < now
