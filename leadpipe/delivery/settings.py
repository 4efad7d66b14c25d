"""The partner's API, retries, and when somebody is told."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from leadpipe.settings import Settings
from leadpipe.zones import checked_zone


def _zone(name: str | None) -> str | None:
    return None if name is None else checked_zone(name)


class DeliverySettings(Settings):
    """The partner's API, retries, and when somebody is told."""

    npa_api_url: str | None = Field(
        None, description="Base URL of the partner's API; without it leads wait in the outbox."
    )
    npa_api_key: SecretStr | None = Field(
        None, description="The partner's key, sent as `Authorization: Bearer …`."
    )
    npa_auth_header: str = Field(
        "Authorization", description="The header for the key; in another one it is sent as it is."
    )
    npa_leads_path: str = Field("/leads", description="Takes a lead by POST.")
    npa_list_path: str = Field(
        "/leads",
        description="Lists leads by GET with phone, email, or since and until; `none` if "
        "the partner has no list.",
    )
    npa_list_paging: str = Field(
        "auto",
        pattern=r"^(auto|whole|cursor|link|page|offset)$",
        description="How the list is divided into pages; `auto`: its answers tell. A list that is not known "
        "to be whole is an error.",
    )
    npa_list_page_size: int | None = Field(
        None, ge=1, le=100_000, description="Leads a page to ask the list for. Default: not asked."
    )
    npa_list_query: str = Field(
        "",
        description="The partner's names of the list's parameters: `since=created_after,page_size=per_page`; "
        "ours are phone, email, key, since, until, cursor, page, page_size, offset, limit. `phone=` or "
        "`email=`: it cannot be asked for it; `key=…`: it can be asked for our key.",
    )
    npa_answers_file: Path | None = Field(
        None,
        description="Your rules of what the partner's words mean, before those built in; "
        "`leadpipe delivery answers` shows all.",
    )
    npa_timezone: Annotated[str | None, AfterValidator(_zone)] = Field(
        None,
        description="The time zone (IANA name) of the partner's times that name none. Without it such a time "
        "decides nothing that a zone could change.",
    )
    npa_fields: str = Field(
        "",
        description="Our fields in the partner's JSON: "
        "`full_name=contact.name,phone=contact.phone`; an empty "
        "path leaves a field out. Default: our own names, and external_id for the idempotency key.",
    )
    npa_key_header: str = Field(
        "Idempotency-Key", description="The header that carries the idempotency key."
    )
    npa_honours_key: bool = Field(
        default=False,
        description="The partner takes a lead once per key. Say so only if it promises "
        "that: without a list a "
        "lead is then sent again after a request without an answer.",
    )
    npa_deadline_seconds: float = Field(
        30.0, gt=0, le=600, description="For one request, from connecting to the last byte."
    )
    npa_settle_seconds: int = Field(
        60,
        ge=0,
        le=86_400,
        description="How long after a request without an answer the partner may still take "
        "the lead; only then "
        "is `not in its list` believed.",
    )
    npa_concurrency: int = Field(8, ge=1, le=64, description="Requests in flight at once.")
    npa_requests_per_second: float = Field(
        50.0, gt=0, le=10_000, description="At most so many requests are begun in a second."
    )
    npa_webhook_secret: SecretStr | None = Field(
        None,
        description="What the partner's webhook must send or sign with (Standard Webhooks). Without it only "
        "this machine may call /api/webhooks/partner, and nobody where the page has a login.",
    )
    leads_secret: SecretStr | None = Field(
        None,
        alias="LEADPIPE_LEADS_SECRET",
        description="What a caller of POST /api/leads must send as `Authorization: Bearer …`. "
        "Without it only this machine may call, and nobody where the page has a login.",
    )
    lead_phone_region: str = Field(
        "US",
        pattern=r"^[A-Z]{2}$",
        alias="LEADPIPE_LEAD_PHONE_REGION",
        description="The country of leads' phone numbers written without a country code.",
    )
    retry_seconds: int = Field(
        60,
        ge=1,
        le=86_400,
        alias="LEADPIPE_RETRY_SECONDS",
        description="Before the second attempt at a lead; doubled each time, up to 6 hours, with jitter.",
    )
    most_attempts: int = Field(
        8,
        ge=1,
        le=100,
        alias="LEADPIPE_MOST_ATTEMPTS",
        description="After so many attempts a person decides.",
    )
    keep_succeeded_days: int | None = Field(
        None,
        ge=90,
        alias="LEADPIPE_KEEP_SUCCEEDED_DAYS",
        description="Delivered leads lose their personal data after so many days, 90 at "
        "least. Default: never.",
    )
    alert_failed: int = Field(
        10,
        ge=1,
        alias="LEADPIPE_ALERT_FAILED",
        description="Unresolved failed leads from which an alert is sent.",
    )
    alert_success_rate: float = Field(
        95.0,
        ge=0,
        le=100,
        alias="LEADPIPE_ALERT_SUCCESS_RATE",
        description="Percent of the last 24 hours' leads below which an alert is sent.",
    )
    alert_oldest_hours: float = Field(
        24.0,
        gt=0,
        alias="LEADPIPE_ALERT_OLDEST_HOURS",
        description="Age of the oldest unresolved lead from which an alert is sent.",
    )

    @property
    def hand_overs_path(self) -> Path:
        """Where leads and notices that came over HTTP wait for a delivery."""
        return self.data_dir / "handovers.sqlite"

    @property
    def delivery_lock(self) -> Path:
        """Held by the one process that delivers."""
        return self.data_dir / "delivery.lock"

    def kept_files(self) -> tuple[Path, ...]:
        """What a backup keeps beside the warehouse."""
        return (*super().kept_files(), self.hand_overs_path)


SECTION = DeliverySettings
