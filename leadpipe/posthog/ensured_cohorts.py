"""Exactly one cohort of a name, whatever was interrupted or ran twice.

PostHog does not keep names unique, so this is a matter of looking before and after making one. Does
not belong here: members (`cohort_members.py`).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from leadpipe.errors import ConfigurationError, PostHogUnavailable
from leadpipe.posthog.client import PostHog
from leadpipe.posthog.cohorts import (
    Cohort,
    create_cohort,
    create_static_cohort,
    delete_cohort,
    find_cohorts,
)


@dataclass(frozen=True)
class EnsuredCohort:
    """The one cohort of a name.

    Attributes:
        cohort: the oldest of the name and kind, which every run keeps.
        is_new: whether this call made it.
        others: ids of younger ones of the same name and kind, made by somebody else. They are left
            alone; a person should delete them.
    """

    cohort: Cohort
    is_new: bool
    others: tuple[int, ...] = ()


def ensure_cohort(
    posthog: PostHog, name: str, *, filters: Mapping[str, Any], description: str = ""
) -> EnsuredCohort:
    """The one filter cohort of that name: found, or made if there is none.

    Two runs at once, or an answer lost on its way, leave one cohort: the oldest of the name and kind
    stays, and a run that made a younger one deletes its own again. An existing cohort keeps its
    filters; compare `cohort.filters` where that matters, and change them with `update_cohort`.
    """
    return _ensured(
        posthog,
        name,
        is_static=False,
        create=lambda: create_cohort(posthog, name, filters=filters, description=description),
    )


def ensure_static_cohort(posthog: PostHog, name: str, *, description: str = "") -> EnsuredCohort:
    """The one static cohort of that name: found, or made empty. Otherwise as `ensure_cohort`."""
    return _ensured(
        posthog,
        name,
        is_static=True,
        create=lambda: create_static_cohort(posthog, name, description=description),
    )


def _ensured(
    posthog: PostHog, name: str, *, is_static: bool, create: Callable[[], Cohort]
) -> EnsuredCohort:
    if not name:
        raise ConfigurationError("A cohort needs a name to be found by")

    def same() -> list[Cohort]:
        return [one for one in find_cohorts(posthog, name) if one.is_static == is_static]

    found, made = same(), None
    if not found:
        try:
            made = create().id
        except PostHogUnavailable:
            found = same()  # the answer was lost, perhaps not the cohort
            if not found:
                raise
        # Another run may have made one since the first look; all runs keep the oldest.
        found = same()
    if not found:
        raise PostHogUnavailable(
            f"PostHog made the cohort {name!r} but does not list it. Look again later.",
            request_name=f"cohort {name!r}",
        )
    kept, *others = found
    if made in {one.id for one in others}:
        delete_cohort(posthog, made)
    left = tuple(one.id for one in others if one.id != made)
    return EnsuredCohort(kept, is_new=kept.id == made, others=left)
