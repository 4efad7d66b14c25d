"""Webhook destinations: what is ingested is sent to each of them, and a test button sends what never was.

Belongs here: which events go where, and what became of them. Does not belong here: an attempt
(`webhook_sender.py`), a body (`webhooks.py`).
"""

import asyncio
import queue
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import httpx

from posthog_sandbox.webhook_sender import Address, Delivery, send, text_of

_LOOK_SECONDS = 0.05
_MOST_AT_ONCE = 100


@dataclass
class Destination:
    """One destination; `events` None takes all."""

    address: Address
    events: frozenset[str] | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))
    deliveries: list[Delivery] = field(default_factory=list)

    def public(self) -> dict[str, Any]:
        """What became of its deliveries."""
        return {
            "waiting": sum(delivery.outcome is None for delivery in self.deliveries),
            "deliveries": [asdict(delivery) for delivery in self.deliveries],
        }


class Destinations:
    """The destinations of a sandbox. `offer` may be called from any thread, all else belongs to the loop."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._all: dict[str, Destination] = {}
        self._offered: queue.SimpleQueue[Mapping[str, Any]] = queue.SimpleQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._room = asyncio.Semaphore(_MOST_AT_ONCE)

    def add(self, destination: Destination) -> str:
        """Send what is ingested from now on; gives the id."""
        self._all[destination.id] = destination
        return destination.id

    def get(self, destination_id: str) -> Destination:
        """A destination.

        Raises:
            ValueError: there is none of this id.
        """
        if destination_id not in self._all:
            raise ValueError(f"There is no destination {destination_id!r}.")
        self._pass_on()
        return self._all[destination_id]

    def clear(self) -> None:
        """Forget all, and what is on its way."""
        for task in self._tasks:
            task.cancel()
        self._all = {}
        while not self._offered.empty():
            self._offered.get_nowait()

    @property
    def is_empty(self) -> bool:
        """Whether nothing would be sent."""
        return not self._all

    def offer(self, bodies: Sequence[Mapping[str, Any]]) -> None:
        """Let what was ingested be sent."""
        for body in bodies:
            self._offered.put(body)

    async def run(self) -> None:
        """Send what is offered, until cancelled."""
        while True:
            self._pass_on()
            await asyncio.sleep(_LOOK_SECONDS)

    async def test(self, destination_id: str, body: Mapping[str, Any]) -> Delivery:
        """The test button: one attempt, and nothing is stored."""
        destination = self.get(destination_id)
        delivery = _delivery(body)
        destination.deliveries.append(delivery)
        await self._send(destination.address, delivery, most_attempts=1)
        return delivery

    def start(self, address: Address, body: Mapping[str, Any]) -> Delivery:
        """Send a body to an address that is no destination of these, and go on."""
        delivery = _delivery(body)
        self._begin(address, delivery)
        return delivery

    def _pass_on(self) -> None:
        while not self._offered.empty():
            body = self._offered.get_nowait()
            for destination in self._all.values():
                if destination.events is None or body["event"]["event"] in destination.events:
                    delivery = _delivery(body)
                    destination.deliveries.append(delivery)
                    self._begin(destination.address, delivery)

    def _begin(self, address: Address, delivery: Delivery) -> None:
        task = asyncio.create_task(self._send(address, delivery))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _send(
        self, address: Address, delivery: Delivery, *, most_attempts: int | None = None
    ) -> None:
        async with (
            self._room,
            httpx.AsyncClient(trust_env=False, timeout=address.timeout_seconds) as client,
        ):
            await send(delivery, address, client, now=self._now, most_attempts=most_attempts)


def _delivery(body: Mapping[str, Any]) -> Delivery:
    return Delivery(body["event"]["uuid"], body["event"]["event"], text_of(body))
