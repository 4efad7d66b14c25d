"""What the webhook inbox says of today: whether something came that could not be read."""

from collections.abc import Iterator

from leadpipe.errors import LeadpipeError
from leadpipe.inbox.connecting import open_inbox
from leadpipe.inbox.settings import InboxSettings
from leadpipe.today.parts import Line, Look, Section

_PAGE = "/admin/sync"


def today(look: Look) -> Iterator[Section | Line]:
    """How many webhook messages could not be read; nothing while there is no inbox."""
    own = look.settings.of(InboxSettings)
    if not own.inbox_path.exists():
        return
    try:
        unread = open_inbox(own).state().dead_letters
    except LeadpipeError as error:
        yield Line(str(error), _PAGE, is_urgent=True)
        return
    if unread:
        what = "1 webhook message" if unread == 1 else f"{unread:,} webhook messages"
        yield Line(f"{what} could not be read", _PAGE, is_urgent=True)
