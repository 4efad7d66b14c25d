"""Whose staff contacts are others than they were."""

from leadpipe.interactions.waiting import Fingerprints, fingerprints, with_others
from leadpipe_tests.events.builders import event, take_in
from leadpipe_tests.events.mapping.builders import use


def test_contacts_of_a_teams_own_event_are_news(warehouse, tmp_path):
    """Tenant and program are what the mapping finds, whatever the event calls them."""
    use(
        warehouse,
        '[events.followed_up]\nmeaning = "staff_contact"\ntenant = ["office.city"]\n'
        'programId = ["campaign"]\n',
    )
    seen: Fingerprints = {}
    for city in ("accra", "lagos"):
        sent = event("followed_up", "09:00:00", office={"city": city}, campaign=7)
        take_in(warehouse, tmp_path, [sent])
        with warehouse.connect() as connection:
            now = fingerprints(connection, ["accra/7", "lagos/7", "nairobi/7"])
        assert with_others(seen, now) == [f"{city}/7"]
        seen = now
