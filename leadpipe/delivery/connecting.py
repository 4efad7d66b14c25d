"""From settings to what delivery's core takes: the partner's client, the policy, the place."""

from datetime import timedelta
from typing import cast

from leadpipe.connections import open_warehouse
from leadpipe.delivery.answer_rules import read_answer_rules
from leadpipe.delivery.fields import checked_fields as checked_partner_fields
from leadpipe.delivery.fields import sent_fields
from leadpipe.delivery.handovers import HandOvers
from leadpipe.delivery.listing import Paging, Style, checked_query_names
from leadpipe.delivery.partner import Partner, PartnerSettings
from leadpipe.delivery.policy import DeliveryPolicy
from leadpipe.delivery.service import DeliveryPlace
from leadpipe.delivery.settings import DeliverySettings
from leadpipe.errors import ConfigurationError
from leadpipe.http.addresses import checked_address


def connect_partner(settings: DeliverySettings) -> Partner:
    """A client of the configured partner; close it, or use it as a context manager.

    Raises:
        ConfigurationError: no partner is set, or its address or fields cannot be used.
    """
    url = settings.npa_api_url
    if url is None:
        raise ConfigurationError(
            "NPA_API_URL is not set, so leads wait in the outbox. Set it and NPA_API_KEY in .env."
        )
    url = checked_address("NPA_API_URL", url, carries="leads and the key")
    return Partner(
        PartnerSettings(
            url=url,
            api_key=settings.npa_api_key,
            auth_header=settings.npa_auth_header,
            leads_path=settings.npa_leads_path,
            list_path=None if settings.npa_list_path == "none" else settings.npa_list_path,
            key_header=settings.npa_key_header,
            fields=checked_partner_fields(settings.npa_fields),
            deadline_seconds=settings.npa_deadline_seconds,
            requests_per_second=settings.npa_requests_per_second,
            connections=settings.npa_concurrency,
            paging=Paging(
                cast("Style", settings.npa_list_paging),
                settings.npa_list_page_size,
                checked_query_names(settings.npa_list_query),
            ),
            answers=read_answer_rules(settings.npa_answers_file),
            zone=settings.npa_timezone,
        )
    )


def delivery_policy(settings: DeliverySettings) -> DeliveryPolicy:
    """How leads are delivered, as configured."""
    return DeliveryPolicy(
        concurrency=settings.npa_concurrency,
        first_wait=timedelta(seconds=settings.retry_seconds),
        most_attempts=settings.most_attempts,
        settle=timedelta(seconds=settings.npa_settle_seconds),
        honours_key=settings.npa_honours_key,
        region=settings.lead_phone_region,
    )


def delivery_place(settings: DeliverySettings) -> DeliveryPlace:
    """Where deliveries happen, as configured; opens nothing yet."""
    return DeliveryPlace(
        warehouse=open_warehouse(settings),
        lock=settings.delivery_lock,
        published=settings.published_dir,
        hand_overs=HandOvers(settings.hand_overs_path),
        region=settings.lead_phone_region,
        keep_days=settings.keep_succeeded_days,
        turn_seconds=settings.lock_timeout_seconds,
        sent=sent_fields(checked_partner_fields(settings.npa_fields)),
        zone=settings.npa_timezone,
    )
