"""People are told: one thread decides what is new and who is next, one thread a channel sends.

Runs beside the deliverer. At least once: whoever gets a message twice knows it by its key.
"""

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog

from dicom_node.archives.identity import StudyIdentity
from dicom_node.datasets.parse_errors import PARSE_ERRORS
from dicom_node.error_place import defect_of
from dicom_node.errors import NodeError
from worker.case.notification_words import message_of
from worker.delivery.identity_check import identity_of_file
from worker.errors import ChannelAway, ChannelRefused, LeaseLost, LedgerAway
from worker.heartbeat import Heartbeat
from worker.instances.sender_characters import AssumedSets
from worker.jobs.notification import ChannelRule, NotificationState, who_is_told
from worker.jobs.notification_records import Answer, Message, OutgoingNotice
from worker.ledger.ledger import Ledger
from worker.notifying.notification_settings import NotifyingSettings
from worker.settings import ReportSettings

_log = structlog.get_logger()

#: A notifier that is silent for so long is taken to be dead, and another tells what it was telling.
_LEASE_S = 30.0


class Client(Protocol):
    """Sends a message through one channel."""

    def tell(self, message: Message) -> Answer:
        """Send it and return what the other side said. Raises ChannelAway, ChannelRefused."""


@dataclass(frozen=True, kw_only=True)
class Channel:
    """A way to people.

    Attributes:
        rule: When it is used.
        client: What sends.
    """

    rule: ChannelRule
    client: Client


class Notifier:
    """Tells people until told to stop."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        channels: Mapping[str, Channel],
        spool: Path,
        report: ReportSettings,
        settings: NotifyingSettings,
        assumed: AssumedSets | None = None,
    ) -> None:
        """Take the ledger, the channels by name, the spool's root, the site's language, the waits, character sets."""
        self._ledger = ledger
        self._channels = channels
        self._spool = spool
        self._report = report
        self._settings = settings
        self._assumed = assumed or {}

    def run(self, stop: threading.Event) -> None:
        """Serve each channel in a thread of its own, so that one in trouble does not hold another."""
        threads = [
            threading.Thread(target=self._serve, args=(channel, stop), name=f"notify-{name}")
            for name, channel in self._channels.items()
        ]
        for thread in threads:
            thread.start()
        self._decide_until(stop)
        for thread in threads:
            thread.join()

    def decide(self) -> None:
        """Plan what is new, tell the next of what nobody acknowledged in time, and free what a dead notifier held.

        What waits for a channel that is no more is given up.
        """
        rules = [channel.rule for channel in self._channels.values()]
        for notification_id, topic in self._ledger.new_notifications():
            plan = who_is_told(topic, rules)
            state = self._ledger.plan_notification(notification_id, plan)
            if state is NotificationState.NOBODY:
                _log.error(
                    "nobody to tell of a critical finding",
                    notification=notification_id,
                    remedy="tell the physician now (wetread alerts), and add [[notifications]] to the settings",
                )
        for notification_id, state in self._ledger.escalate(escalate_after_s=self._settings.escalate_after_s):
            if state is NotificationState.UNANSWERED:
                _log.error(
                    "nobody acknowledged", notification=notification_id, remedy="wetread alerts lists who was told"
                )
            else:
                _log.warning("escalated", notification=notification_id)
        self._ledger.free_expired_notices()
        self._ledger.lose_unserved(list(self._channels), give_up_after_s=self._settings.give_up_after_s)

    def tell_one(self, channel: Channel) -> bool:
        """Send what is due through a channel; return whether anything was."""
        outgoing = self._ledger.claim_notice(channel.rule.name, lease_s=_LEASE_S)
        if outgoing is None:
            return False
        log = _log.bind(
            notification=outgoing.notification_id,
            channel=outgoing.channel,
            job=outgoing.job_id,
            study=outgoing.study_instance_uid,
            attempt=outgoing.attempts,
        )
        renew = partial(self._ledger.renew_notice, outgoing, lease_s=_LEASE_S)
        try:
            with Heartbeat(renew, _LEASE_S, job_id=outgoing.job_id):
                answer = channel.client.tell(self._message(outgoing, channel.rule))
            self._ledger.notice_sent(outgoing, answer=answer.text, acknowledged_by=answer.acknowledged_by)
            log.info("told", topic=outgoing.topic, acknowledged=bool(answer.acknowledged_by))
        except ChannelAway as error:
            self._failed(outgoing, str(error), refused=False)
            log.warning("channel away", cause=str(error))
        except ChannelRefused as error:
            self._failed(outgoing, str(error), refused=True)
            log.error("channel refused", cause=str(error))  # noqa: TRY400  # told in one line
        except LeaseLost as error:
            log.warning("notice taken over", cause=str(error))
        except LedgerAway:
            raise
        except Exception as error:  # noqa: BLE001  # the outermost frame of a notice: the next must still be told
            # The message of a foreign exception may hold a patient's data: only its type and place are told.
            what = defect_of(error)
            self._failed(outgoing, f"{what}: a defect of wetread; please report it", refused=False)
            log.error("notice failed", error=what)  # noqa: TRY400  # nor its traceback
        return True

    def _message(self, outgoing: OutgoingNotice, rule: ChannelRule) -> Message:
        return message_of(outgoing, self._identity(outgoing), self._report, patient_data=rule.patient_data)

    def _identity(self, outgoing: OutgoingNotice) -> StudyIdentity:
        """Read whose study it is from the spool, where alone that is kept; a message without is better than none."""
        try:
            return identity_of_file(self._spool / outgoing.source_file, self._assumed)
        except (OSError, NodeError, *PARSE_ERRORS):
            _log.warning("source unreadable", notification=outgoing.notification_id, file=outgoing.source_file)
            return StudyIdentity()

    def _failed(self, outgoing: OutgoingNotice, reason: str, *, refused: bool) -> None:
        try:
            self._ledger.notice_failed(
                outgoing,
                reason=reason,
                refused=refused,
                first_retry_s=self._settings.first_retry_s,
                longest_retry_s=self._settings.longest_retry_s,
                give_up_after_s=self._settings.give_up_after_s,
            )
        except LeaseLost as error:
            _log.warning("notice taken over", notification=outgoing.notification_id, cause=str(error))

    def _decide_until(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                self.decide()
            except LedgerAway as error:
                _log.warning("notifier waits", cause=str(error))
            except Exception as error:  # noqa: BLE001  # the outermost frame of a thread: people must be told of the next
                what = defect_of(error)
                _log.error("a defect of wetread in a notification", error=what)
            stop.wait(self._settings.poll_s)

    def _serve(self, channel: Channel, stop: threading.Event) -> None:
        while not stop.is_set():
            busy = False
            try:
                busy = self.tell_one(channel)
            except LedgerAway as error:
                _log.warning("notifier waits", channel=channel.rule.name, cause=str(error))
            except Exception as error:  # noqa: BLE001  # the outermost frame of a thread, as above
                what = defect_of(error)
                _log.error("a defect of wetread in a notice", channel=channel.rule.name, error=what)
            if not busy:
                stop.wait(self._settings.poll_s)
