"""The channels of the settings, each with its client."""

from ops.notifiers.mail import Mail
from ops.notifiers.mllp import Mllp
from ops.notifiers.webhook import Webhook
from ops.settings import Settings
from worker.notification_settings import ChannelSettings, MailSettings, WebhookSettings
from worker.notifying import Channel, Client


def channels_of(settings: Settings) -> dict[str, Channel]:
    """Return the ways to people, by name."""
    return {item.name: Channel(rule=item.rule(), client=_client(item)) for item in settings.notifications}


def _client(settings: ChannelSettings) -> Client:
    if isinstance(settings, WebhookSettings):
        return Webhook(settings)
    return Mail(settings) if isinstance(settings, MailSettings) else Mllp(settings)
