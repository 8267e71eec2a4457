"""What can go wrong between a study and its results, each with cause and remedy."""

from worker.refusals import remedy_of


class WorkerError(Exception):
    """A job cannot go on; the message names cause and remedy and never a patient."""


class SeriesRefused(WorkerError):
    """A series must not be read: the message begins with a name of the table `refusals`, and ends with its remedy."""

    def __str__(self) -> str:
        """Return what is wrong and what to do about it."""
        told = super().__str__()
        remedy = remedy_of(told)
        return f"{told}; {remedy}" if remedy else told


class SeriesUnreadable(WorkerError):
    """A file of the series cannot be parsed or decoded; the message names the file and the decoder's words."""


class SourceRefused(WorkerError):
    """A source lacks what a result needs (no Frame of Reference, ...); the message names the attribute."""


class CharactersUnknown(SourceRefused):
    """Nobody can tell which characters a name has, so an admin must say it: the job is held, not failed."""


class OutputRefused(WorkerError):
    """An object did not pass the output gate and is not sent; the message names each failed check."""


class LeaseLost(WorkerError):
    """Another worker holds the job by now, so this one's results are not written."""


class StandingChanged(WorkerError):
    """More of earlier reads has gone out since a read was told what it supersedes: it must be told anew."""


class ModelHostLost(WorkerError):
    """The model host ended or does not answer; the job is handed back and the host is replaced."""


class IllegalTransition(WorkerError):
    """A job or delivery cannot go from its state to the one that was asked for."""


class UnknownJob(WorkerError):
    """No job has this id; `wetread jobs` lists them."""


class UnknownStudy(WorkerError):
    """No study has this UID; `wetread jobs` names studies."""


class UnknownNotification(WorkerError):
    """No notification has this id; `wetread alerts` lists them."""


class ChannelAway(WorkerError):
    """A channel could not take a notification now: it is sent again. The message names no patient and no secret."""


class ChannelRefused(WorkerError):
    """A channel will not take a notification as it is: the next in the escalation are told. Names no patient."""


class LedgerAway(WorkerError):
    """The ledger's database cannot be reached or is locked for too long; its own words follow."""


class LedgerRefused(LedgerAway):
    """The ledger's database will not take a value as it is, however often it is asked: a defect of wetread."""


class LedgerUnsound(LedgerRefused):
    """The ledger is not as wetread has left it: waiting does not help. Names no value of it."""

    remedy = ""

    def __str__(self) -> str:
        """Return what is wrong and what to do about it."""
        return (
            f"{super().__str__()}: somebody else has written to it, or its disk was in trouble. {self.remedy}; "
            "received images stay in the spool"
        )


class LedgerDamaged(LedgerUnsound):
    """A row of the ledger holds what wetread never wrote, or is missing: it is put aside, and others go on."""

    remedy = (
        "`wetread ledger check` says where. Stop wetread, keep a copy, then put a backup back, or have mended what the "
        "check names"
    )


class LedgerBroken(LedgerUnsound):
    """The ledger's file is broken, or tables of it are missing: nothing can be asked of it."""

    remedy = "Stop wetread, keep a copy, and put a backup back"


class LedgerUnusable(WorkerError):
    """The ledger cannot be used as the settings name it; the message says what to mend, and holds no password."""


class BrokerAway(WorkerError):
    """Redis cannot be reached; tokens wait in the ledger's outbox and are published when it is back."""


class QueueTaken(BrokerAway):
    """Something else keeps a value under a queue's name in Redis; other queues go on."""


class PatientSecretUnusable(WorkerError):
    """The file with the secret of patients' keys is not what it should be; the message names it and the remedy."""


class IdentityUncertain(WorkerError):
    """One patient id stands for more than one person, so nobody can tell whose an earlier study is."""
