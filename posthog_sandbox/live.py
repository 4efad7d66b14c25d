"""Further traffic while the sandbox runs, for demos.

Belongs here: keeping the next hours filled. Does not belong here: the shape of events (`traffic.py`).

A day's events are stored ahead, each with the moment from which it is visible; the clock does the rest.
"""

import asyncio
from datetime import timedelta

from posthog_sandbox.seeding import seed_traffic
from posthog_sandbox.world import World

_MINUTES_A_DAY = 24 * 60
_DAY_SECONDS = 86_400.0
_SEED = 1_000_003


async def keep_live(world: World, per_minute: float) -> None:
    """Let about `per_minute` events a minute appear, day and night, until cancelled."""
    day = 0
    while True:
        day += 1
        await asyncio.to_thread(
            seed_traffic,
            world.storage,
            events=round(per_minute * _MINUTES_A_DAY),
            days=1,
            end=world.clock.now() + timedelta(days=1),
            seed=_SEED + day,
            has_rhythm=False,
        )
        await asyncio.sleep(_DAY_SECONDS)
