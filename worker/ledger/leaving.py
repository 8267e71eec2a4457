"""Which results may leave, by their job: everybody who sends, counts or gives up what waits asks the same."""

from sqlalchemy import ColumnElement, and_, or_

from worker.jobs.job import LEAVING, JobState
from worker.ledger.tables import Job, ResultObject

#: States of a job that has ended without a read.
ENDED_UNREAD = frozenset(LEAVING) - {JobState.READ}


def leaves(result: type[ResultObject] = ResultObject) -> ColumnElement[bool]:
    """Return the condition that a result of a Job is not kept back by its job's state.

    Where the job was read, held, and then ended without a read, what was read before waits for a read that makes it
    again; only the note about that end leaves.
    """
    note_without_fence = and_(result.fence == 0, Job.recipe_digest == "")  # of an older wetread: nothing was ever read
    of_this_end = or_(Job.state == JobState.READ, result.fence == Job.fence, note_without_fence)
    return and_(Job.state.in_(LEAVING), of_this_end)
