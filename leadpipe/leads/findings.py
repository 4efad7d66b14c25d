"""What `leadpipe check` says of leads: whether the score rules can be used."""

from collections.abc import Iterator
from datetime import datetime

from leadpipe.cli.findings import Finding
from leadpipe.errors import LeadpipeError
from leadpipe.leads.scores import load_rules
from leadpipe.leads.settings import LeadsSettings
from leadpipe.posthog import PostHog
from leadpipe.settings import Settings


def findings(settings: Settings, posthog: PostHog | None, *, now: datetime) -> Iterator[Finding]:
    """What is right and wrong with it."""
    del posthog, now
    try:
        rules = load_rules(settings.of(LeadsSettings).scores_path)
    except LeadpipeError as error:
        yield Finding("wrong", "score rules", str(error))
    else:
        yield Finding("ok", "score rules", f"version {rules.version!r}")
