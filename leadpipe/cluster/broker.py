"""Celery on Redis: the queues that runs wait in, as launcher and workers both see them."""

from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import urlsplit

from celery import Celery
from kombu import Exchange, Queue
from kombu.exceptions import OperationalError
from pydantic import SecretStr

from leadpipe.errors import BrokerUnreachable
from leadpipe.queues import ANYWHERE, QUEUES

_TRIES = 3
_CONNECT_SECONDS = 5.0
_LONGEST_RUN_SECONDS = 24 * 3_600
_START_SECONDS = 60.0
_Answer = TypeVar("_Answer")


def make_app(broker: SecretStr) -> Celery:
    """Celery with our queues; connects to nothing yet.

    A message is taken only when a process is free for it, and is gone from the queue before the run begins:
    whether that lives is asked of its lock (`lives.py`), and no run is handed out twice.
    """
    app = Celery("leadpipe", broker=broker.get_secret_value(), set_as_current=False)
    app.conf.update(
        task_queues=[Queue(name, Exchange(name, type="direct"), name) for name in QUEUES],
        task_default_queue=ANYWHERE,
        task_create_missing_queues=False,
        task_ignore_result=True,
        task_acks_late=False,
        worker_disable_prefetch=True,
        worker_prefetch_multiplier=1,
        # Memory, locks and connections of a run end with its process.
        worker_max_tasks_per_child=1,
        worker_proc_alive_timeout=_START_SECONDS,
        worker_hijack_root_logger=False,
        worker_redirect_stdouts=False,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_transport_options={
            "visibility_timeout": _LONGEST_RUN_SECONDS,
            "socket_connect_timeout": _CONNECT_SECONDS,
            "socket_keepalive": True,
        },
    )
    return app


def where(broker: SecretStr) -> str:
    """Its address for people, without user and password."""
    parts = urlsplit(broker.get_secret_value())
    return f"{parts.hostname}:{parts.port or 6379}"


def asked(broker: SecretStr, ask: Callable[[], _Answer]) -> _Answer:
    """What an exchange with the broker gives.

    Raises:
        BrokerUnreachable: it does not answer, or does not let us in.
    """
    from redis.exceptions import RedisError  # noqa: PLC0415 - loaded by kombu when it connects

    try:
        return ask()
    except (OperationalError, RedisError, OSError) as error:
        words = " ".join(str(error.__cause__ or error).split()).rstrip(".")
        secret = urlsplit(broker.get_secret_value()).password
        if secret:
            words = words.replace(secret, "…")
        raise BrokerUnreachable(
            f"The broker at {where(broker)} does not answer ({words}). Start Redis there, or correct "
            "LEADPIPE_BROKER."
        ) from None


def workers_by_queue(broker: SecretStr, *, seconds: float) -> dict[str, int]:
    """How many workers answer for each queue.

    Args:
        broker: where they are.
        seconds: how long they have for it.

    Raises:
        BrokerUnreachable: it does not answer.
    """
    inspector = make_app(broker).control.inspect(timeout=seconds)
    answers: Mapping[str, Sequence[Mapping[str, object]]] = (
        asked(broker, inspector.active_queues) or {}
    )
    listening = [queue["name"] for queues in answers.values() for queue in queues]
    return {name: listening.count(name) for name in QUEUES}


def reach(broker: SecretStr) -> None:
    """Make sure that the broker answers.

    Raises:
        BrokerUnreachable: it does not.
    """

    def ask() -> None:
        with make_app(broker).connection_for_write(connect_timeout=_CONNECT_SECONDS) as connection:
            connection.ensure_connection(
                max_retries=_TRIES, interval_start=0, interval_step=0.2, interval_max=0.5
            )
            connection.default_channel.client.ping()

    asked(broker, ask)
