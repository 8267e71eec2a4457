"""What an admin is told who wants of a job what its state does not allow: why not, and what can be done instead."""

from collections.abc import Mapping

#: By the state of the job, as it is written.
WHAT_NOW: Mapping[str, str] = {
    "queued": "a worker takes it in its turn; `wetread prioritise` changes that, `wetread cancel` ends it",
    "claimed": "a worker is at it; `wetread hold` and `wetread cancel` stop it",
    "read": "its results leave by themselves, and what an archive does not take is tried again; `wetread job` shows "
    "what has left, `wetread hold` keeps back the rest",
    "failed": "nothing of it waits any more; `wetread retry` reads it again",
    "held": "somebody must look first, at what its reason says: `wetread job`",
    "skipped": "its model does not read this study, and nothing of it waits; its reason says why: `wetread job`",
    "cancelled": "an admin wanted it so; `wetread retry` reads it after all",
    "superseded": "a newer job of its study counts in its place: `wetread jobs` lists it",
}
