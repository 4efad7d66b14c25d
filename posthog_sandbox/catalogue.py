"""The listings of generated traffic and who lists them.

Belongs here: ids, pages, popularity. Does not belong here: what people do with listings.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from posthog_sandbox.identifiers import Numbers, chosen, digits, joined, mixed, unit, uuid4

_EVENTS_PER_LISTING = 220
_FEWEST = 40
_MOST = 20_000
_LISTINGS_PER_LISTER = 6
_SKEW = 1.08
_HEAD = 2.0
_SALT = 7_000
PAGES = ("/", "/search", "/explore", "/about", "/search?location=accra", "/contact", "/blog/buying")
"""Pages without a listing."""
_PLACES = ("East Legon", "Cantonments", "Osu", "Lekki", "Ikeja", "Tema", "Yaba", "Airport Hills")
_HOMES = ("bedroom house", "bedroom apartment", "bedroom townhouse 🏡", "bedroom villa with pool")


@dataclass(frozen=True)
class Catalogue:
    """Prerendered texts, one for each listing; the first listings are the popular ones.

    Attributes:
        popularity: cumulative, the last is 1.
        ids: as text.
        json_ids: as JSON strings.
        loose_json_ids: the same, but as a JSON number where the id is one.
        paths: of the listing's page, and after them those of `PAGES`.
        titles: of the same pages.
        listers: ids of developers and agents, as text.
        is_developer: whether the lister is one; the others are agents.
    """

    popularity: npt.NDArray[np.float64]
    ids: pa.StringArray
    json_ids: pa.StringArray
    loose_json_ids: pa.StringArray
    paths: pa.StringArray
    titles: pa.StringArray
    listers: pa.StringArray
    is_developer: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    def picks(self, rng: np.random.Generator, count: int) -> Numbers:
        """Listings by popularity (Zipf)."""
        return np.searchsorted(self.popularity, rng.random(count), side="right").astype(np.int64)


@lru_cache(maxsize=8)
def catalogue(events: int) -> Catalogue:
    """The listings that a site with so many events has."""
    count = int(np.clip(events // _EVENTS_PER_LISTING, _FEWEST, _MOST))
    numbers = np.arange(count, dtype=np.int64)
    weights = 1.0 / (numbers + _HEAD) ** _SKEW
    popularity = np.cumsum(weights / weights.sum())
    popularity[-1] = 1.0
    # Three generations of ids, as on a site that has changed its software twice.
    style = numbers % 7
    named = joined("listing-", digits(numbers + 100))
    plain = digits(numbers + 100_000)
    uuids = uuid4(mixed(numbers, _SALT), mixed(numbers, _SALT + 1))
    ids = pa.array(
        np.select(
            [style == 3, style == 5],  # noqa: PLR2004
            [plain.to_numpy(zero_copy_only=False), uuids.to_numpy(zero_copy_only=False)],
            named.to_numpy(zero_copy_only=False),
        ),
        pa.string(),
    )
    json_ids = joined('"', ids, '"')
    loose = np.where(
        style == 3,  # noqa: PLR2004
        plain.to_numpy(zero_copy_only=False),
        json_ids.to_numpy(zero_copy_only=False),
    )
    lister = (unit(numbers, _SALT + 2) * max(1, count // _LISTINGS_PER_LISTER)).astype(np.int64)
    is_developer = lister % 3 != 0
    kind = chosen(["agent-", "developer-"], is_developer.astype(np.int64))
    rooms = digits(1 + numbers % 6)
    titles = joined(
        rooms,
        " ",
        chosen(list(_HOMES), numbers % len(_HOMES)),
        " in ",
        chosen(list(_PLACES), mixed(numbers, _SALT + 3) % np.uint64(len(_PLACES))),
        " | Example Homes",
    )
    return Catalogue(
        popularity=popularity,
        ids=ids,
        json_ids=json_ids,
        loose_json_ids=pa.array(loose, pa.string()),
        paths=pa.concat_arrays([joined("/listing/", ids), pa.array(PAGES)]),
        titles=pa.concat_arrays([titles, pa.array([f"Example Homes – {page}" for page in PAGES])]),
        listers=joined(kind, digits(lister + 1)),
        is_developer=is_developer,
    )
