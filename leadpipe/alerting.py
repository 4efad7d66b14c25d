"""Who is told of alerts and of the morning, as the settings say; beside the log."""

from leadpipe.notices import Receiver, mail_server, receivers, text_webhook
from leadpipe.settings import Settings


def alert_receivers(settings: Settings) -> list[Receiver]:
    """Who is told: LEADPIPE_ALERT_TO, and the older settings beside it."""
    told = receivers("LEADPIPE_ALERT_TO", settings.alert_to)
    if settings.alert_webhook_url is not None:
        told.append(text_webhook("LEADPIPE_ALERT_WEBHOOK_URL", settings.alert_webhook_url))
    if settings.alert_smtp_url is not None and settings.alert_mail_to:
        told.append(
            mail_server(
                "LEADPIPE_ALERT_SMTP_URL",
                settings.alert_smtp_url,
                sender=settings.alert_mail_from,
                to=settings.alert_mail_to,
            )
        )
    return told
