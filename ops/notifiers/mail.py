"""An e-mail, plain text in UTF-8; its subject never names a patient."""

import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime

from ops.secret import read_secret
from worker.case.notification_words import body_lines
from worker.errors import ChannelAway, ChannelRefused
from worker.jobs.notification_records import Answer, Message
from worker.notifying.notification_settings import MailSettings

_PERMANENT = 500


class Mail:
    """Sends messages through one mail server."""

    def __init__(self, settings: MailSettings) -> None:
        """Take the channel's settings."""
        self._settings = settings

    def tell(self, message: Message) -> Answer:
        """Send it to every address; some that are refused are told as such. Raises ChannelAway, ChannelRefused."""
        mail = mail_of(message, self._settings)
        try:
            with self._connected() as server:
                if self._settings.password is not None:
                    server.login(self._settings.user, read_secret(self._settings.password))
                refused = server.send_message(mail)
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            # One that may take it later is tried again, whatever the others say.
            _raise(min(codes), "every address", error)
        except smtplib.SMTPResponseException as error:
            _raise(error.smtp_code, "the e-mail", error)
        except smtplib.SMTPNotSupportedError as error:
            raise ChannelRefused(
                "the mail server cannot do what the settings ask (STARTTLS, log-in or UTF-8)"
            ) from error
        except (smtplib.SMTPException, OSError, UnicodeError) as error:  # UnicodeError: a name that can be none
            cause = getattr(error, "strerror", None) or type(error).__name__
            raise ChannelAway(f"the mail server does not answer ({cause}); can this machine reach it?") from error
        left = f"; {len(refused)} of {len(self._settings.to)} addresses were refused" if refused else ""
        return Answer(text=f"taken by the mail server{left}")

    def _connected(self) -> smtplib.SMTP:
        settings = self._settings
        context = ssl.create_default_context(cafile=settings.ca_file)
        if settings.security == "tls":
            return smtplib.SMTP_SSL(settings.host, settings.port, timeout=settings.timeout_s, context=context)
        server = smtplib.SMTP(settings.host, settings.port, timeout=settings.timeout_s)
        if settings.security == "starttls":
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


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


def _raise(code: int, what: str, error: Exception) -> None:
    # Not the server's own words: they may quote the e-mail.
    if code >= _PERMANENT:
        raise ChannelRefused(
            f"the mail server refused {what} with status {code}; are addresses, user and password right?"
        ) from error
    raise ChannelAway(f"the mail server put {what} off with status {code}; it is tried again") from error
