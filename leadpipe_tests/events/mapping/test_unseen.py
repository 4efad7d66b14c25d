"""What a mapping names and a project never sends is told with the nearest that it does send."""

from leadpipe.events.mapping.model import Path
from leadpipe.events.mapping.unseen import unseen
from leadpipe_tests.events.mapping.builders import mapping_of
from leadpipe_tests.events.mapping.worlds import OWN_NAMES


def test_slips_are_told_with_the_nearest_that_occurs(tmp_path):
    """An event, a property within an object, and a filter; what occurs is not mentioned."""
    mapping = mapping_of(tmp_path, "builtin = false\n" + OWN_NAMES)
    seen: dict[str, list[Path]] = {
        "listing_viewd": [("propertyRef",)],
        "contact_agent_clicked": [
            *(("propertyref",), ("property",), ("property", "ref"), ("agentId",), ("channel",)),
            ("Context",),
        ],
    }
    assert list(unseen(mapping, seen)) == [
        "listing_viewed never came; did you mean listing_viewd?",
        "contact_agent_clicked: listing_id reads propertyRef, which it never has; did you mean propertyref?",
        "contact_agent_clicked: only_where asks for context, which it never has; did you mean Context?",
    ]
    seen["listing_viewed"] = [("propertyRef",), ("source",)]
    assert next(unseen(mapping, seen)) == (
        "listing_viewed: listing_id reads property.ref, which it never has; did you mean propertyRef?"
    )
