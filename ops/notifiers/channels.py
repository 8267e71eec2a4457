"""The channels of the settings, each with its client."""

from ops.notifiers.mail import Mail
from ops.notifiers.mllp import Mllp
from ops.notifiers.webhook import Webhook
from ops.settings import Settings
from worker.notifying.notification_settings import ChannelSettings, Hl7Settings, MailSettings, WebhookSettings
from worker.notifying.notifying import Channel, Client


def channels_of(settings: Settings) -> dict[str, Channel]:
    """Return the ways to people, by name."""
    return {item.name: Channel(rule=item.rule(), client=_client(item)) for item in settings.notifications}


def in_clear(settings: Settings) -> tuple[str, ...]:
    """Return the names of channels that show patients to whoever is on the way, because the site has said so."""
    return tuple(item.name for item in settings.notifications if isinstance(item, Hl7Settings) and item.shows_patients)


def _client(settings: ChannelSettings) -> Client:
    if isinstance(settings, WebhookSettings):
        return Webhook(settings)
    return Mail(settings) if isinstance(settings, MailSettings) else Mllp(settings)
