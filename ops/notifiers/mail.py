"""An e-mail, plain text in UTF-8; its subject never names a patient."""

import smtplib
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any, NoReturn

from ops.notifiers.cut_off import STEPS, SocketNow, cut_off
from ops.secret import read_secret
from worker.case.notification_words import body_lines
from worker.errors import ChannelAway, ChannelRefused
from worker.jobs.notification_records import Answer, Message
from worker.notifying.notification_settings import MailSettings

_PERMANENT = 500
#: "Service not available, closing transmission channel" (RFC 5321 4.2.3).
_CLOSING = 421
#: Messages of which some addresses have one and others may take it later; the oldest is forgotten.
_MOST_REMEMBERED = 1000


class Mail:
    """Sends messages through one mail server. For one thread."""

    def __init__(self, settings: MailSettings) -> None:
        """Take the channel's settings."""
        self._settings = settings
        #: By key, which addresses have a message already. After a restart they get it once more, under the same
        #: Message-ID.
        self._taken: dict[str, frozenset[str]] = {}

    def tell(self, message: Message) -> Answer:
        """Send it to every address that has it not yet; what some take and others do not is told as such.

        Raises ChannelAway, also where an address that does not take it now may later; ChannelRefused.
        """
        before = self._taken.get(message.key, frozenset())
        left = tuple(address for address in dict.fromkeys(self._settings.to) if address not in before)
        refused = self._sent(mail_of(message, self._settings), left)
        taken = before.union(left).difference(refused)
        # One that may take it later is tried again, whatever the others say.
        later = [code for code in refused.values() if code < _PERMANENT]
        if refused and not taken:
            _raise(min(refused.values()), "every address", None)
        if later:
            self._remember(message.key, taken)
            raise ChannelAway(
                f"the mail server put {len(later)} of {len(self._settings.to)} addresses off with status {later[0]}; "
                "they are tried again, the others have it"
            )
        self._taken.pop(message.key, None)
        without = f"; {len(refused)} of {len(self._settings.to)} addresses were refused" if refused else ""
        return Answer(text=f"taken by the mail server{without}")

    def _remember(self, key: str, taken: frozenset[str]) -> None:
        self._taken[key] = taken
        if len(self._taken) > _MOST_REMEMBERED:
            del self._taken[next(iter(self._taken))]

    def _sent(self, mail: EmailMessage, to: Sequence[str]) -> dict[str, int]:
        """Return the addresses that did not take an e-mail, with the status. Raises ChannelAway, ChannelRefused."""
        try:
            with self._connected() as server:
                if self._settings.password is not None:
                    server.login(self._settings.user, read_secret(self._settings.password))
                refused: dict[str, Any] = server.send_message(mail, to_addrs=to)
        except smtplib.SMTPRecipientsRefused as error:
            # Nobody has it: at a 421 smtplib closes before the e-mail, and names only whom it has asked until then.
            refused = {address: error.recipients.get(address, (_CLOSING, b"")) for address in to}
        except smtplib.SMTPResponseException as error:
            _raise(error.smtp_code, "the e-mail", error)
        except smtplib.SMTPNotSupportedError as error:
            raise ChannelRefused(
                "the mail server cannot do what the settings ask (STARTTLS, log-in or UTF-8)"
            ) from error
        except (smtplib.SMTPException, OSError, UnicodeError) as error:  # UnicodeError: a name that can be none
            cause = getattr(error, "strerror", None) or type(error).__name__
            raise ChannelAway(f"the mail server does not answer ({cause}); can this machine reach it?") from error
        return {address: code for address, (code, _) in refused.items()}

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.ca_file)
        with cut_off(STEPS * settings.timeout_s) as connections:
            if settings.security == "tls":
                server: smtplib.SMTP = _TlsServer(
                    connections, settings.host, settings.port, timeout=settings.timeout_s, context=context
                )
            else:
                server = _Server(connections, settings.host, settings.port, timeout=settings.timeout_s)
            try:
                if settings.security == "starttls":
                    server.starttls(context=context)
                yield server
                # What is taken is taken, whatever is said to that.
                with suppress(smtplib.SMTPException):
                    server.quit()
            finally:
                server.close()


class _Watched:
    """Of smtplib: `sock` is its own. It speaks with the server while it is made."""

    sock: Any

    def __init__(self, connections: list[SocketNow], *arguments: Any, **options: Any) -> None:
        connections.append(lambda: self.sock)
        super().__init__(*arguments, **options)


class _Server(_Watched, smtplib.SMTP):
    pass


class _TlsServer(_Watched, smtplib.SMTP_SSL):
    pass


def mail_of(message: Message, settings: MailSettings) -> EmailMessage:
    """Return the e-mail; the same notification has the same Message-ID at every attempt and step of this channel."""
    mail = EmailMessage()
    mail["From"] = settings.sender
    mail["To"] = ", ".join(settings.to)
    mail["Subject"] = message.title
    mail["Date"] = format_datetime(message.created_at)
    domain = settings.sender.rpartition("@")[2]
    mail["Message-ID"] = f"<{message.key}.{settings.name}@{domain}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Wetread-Key"] = message.key
    if message.topic == "critical":
        mail["Importance"] = "high"
        mail["X-Priority"] = "1"
    mail.set_content("\n".join(body_lines(message)) + "\n")
    return mail


def _raise(code: int, what: str, error: Exception | None) -> NoReturn:
    # Not the server's own words: they may quote the e-mail.
    if code >= _PERMANENT:
        raise ChannelRefused(
            f"the mail server refused {what} with status {code}; are addresses, user and password right?"
        ) from error
    raise ChannelAway(f"the mail server put {what} off with status {code}; it is tried again") from error
