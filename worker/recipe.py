"""Every setting that alters output, as one digest: the same input read by another recipe is another result."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, replace

from worker.case.case import Case
from worker.case.changed_series import ChangedSeries
from worker.case.prior import Prior
from worker.jobs.superseded_read import SupersededRead
from worker.selecting.other_series import OtherSeries
from worker.settings import ReportSettings

#: The version of how findings become objects. A change of it changes the UIDs of results, so a re-read is a new result.
_ENCODING = 12


def superseding(case: Case, superseded: SupersededRead | None, changed: Sequence[ChangedSeries] = ()) -> Case:
    """Return the case as it tells what it supersedes, and which series were read in place of that one's.

    With it goes the recipe that its UIDs derive from.
    """
    digest = recipe_digest(
        case.provenance.runtime,
        case.report,
        late=case.late_after_s is not None,
        prior=case.prior,
        superseded=superseded,
        others=case.others,
        changed=changed,
        repeated=case.repeated,
    )
    provenance = replace(case.provenance, recipe_digest=digest)
    return replace(case, superseded=superseded, changed=tuple(changed), provenance=provenance)


def recipe_digest(
    runtime: str,
    report: ReportSettings,
    *,
    late: bool = False,
    prior: Prior | None = None,
    superseded: SupersededRead | None = None,
    others: OtherSeries | None = None,
    changed: Sequence[ChangedSeries] = (),
    repeated: Sequence[str] = (),
) -> str:
    """Return the sha256 (hex) over every setting that alters output; a late read says so, so it differs too.

    What a read is compared with, what it supersedes and on which other series that was made, how much fits as well or
    is left out, and which images came with other pixels before, alters it too.
    """
    recipe = {"encoding": _ENCODING, "runtime": runtime, "report": report.model_dump(mode="json"), "late": late}
    if prior is not None:
        recipe["prior"] = [reference.sop_instance_uid for reference in prior.references]
    if superseded is not None:
        recipe["superseded"] = [reference.sop_instance_uid for reference in superseded.references]
    if others:
        recipe["others"] = [others.series, others.images]
    if others is not None and others.left_out:
        recipe["left out"] = others.left_out
    if changed:
        recipe["changed"] = [asdict(change) for change in changed]
    if repeated:
        recipe["repeated"] = list(repeated)
    return hashlib.sha256(json.dumps(recipe, sort_keys=True).encode()).hexdigest()
