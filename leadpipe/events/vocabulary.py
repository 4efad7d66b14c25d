"""Which events leadpipe reads, and which of their properties.

The one list of event names. How a property's spellings become one column is in `typed_events.sql`.
"""

from leadpipe.events.settings import EventsSettings

LEAD_EVENTS = ("lead", "lead_phone", "lead_message", "lead_appointment")
VIEW_EVENTS = (
    "property_view",
    "impression_social_media",
    "impression_website_visit",
    "impression_share",
    "impression_saved_listing",
)
PAGEVIEW_EVENT = "$pageview"
BUSINESS_EVENTS = ("listing_sold", "LeadUpdated", "lead_captured", "recharge")

# Web traffic is most of the bytes: of these events only the properties below are asked for.
BULKY_EVENTS = (*VIEW_EVENTS, PAGEVIEW_EVENT)
BULKY_PROPERTIES = (
    "listing_id",
    "listingId",
    "listing_uuid",
    "property_id",
    "seeker_id",
    "seekerId",
    "viewed_from",
    "is_logged_in",
    "platform",
    "action",
    "$session_id",
    "$current_url",
    "$host",
    "$pathname",
    "$referring_domain",
    "$raw_user_agent",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
)


def event_names(settings: EventsSettings) -> tuple[str, ...]:
    """Every event to read, each once; the configured names are checked when settings load."""
    return tuple(
        dict.fromkeys(
            (
                *LEAD_EVENTS,
                *VIEW_EVENTS,
                PAGEVIEW_EVENT,
                settings.signup_event,
                *BUSINESS_EVENTS,
                *settings.extra_events,
            )
        )
    )
