"""What of delivery needs a partner with a list."""

from collections.abc import Collection

from leadpipe.delivery.settings import DeliverySettings
from leadpipe.settings import Settings


def left_out(settings: Settings) -> Collection[str]:
    """The comparison with the partner's list, where there is none."""
    found = settings.of(DeliverySettings)
    if found.npa_api_url is not None and found.npa_list_path != "none":
        return ()
    return ("reconciliation", "reconcile", "reconcile_yesterday")
