"""OpenTelemetry traces, where LEADPIPE_OTLP_ENDPOINT switches them on; else nothing of it is even loaded.

Belongs here: how spans begin, end and leave. What gets one is decided at few doors: a run and its steps
(`execution.py`, `launcher.py`, `resources.py`), the warehouse, a fold, requests to PostHog and to the
partner, and requests to the page. A span has names, counts and statuses; never a key, an address with a
query, a text of an error or personal data.

One process has one exporter, so what is switched on is kept in this module.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import copy_context
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Literal, ParamSpec, TypeVar

from leadpipe.errors import ConfigurationError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_P = ParamSpec("_P")
_T = TypeVar("_T")
Kind = Literal["internal", "client", "server"]
Value = str | int | float | bool
_provider: "TracerProvider | None" = None


class Span:
    """What a span is told while it lasts; this one, where traces are off, forgets it."""

    def note(self, **attributes: Value | None) -> None:
        """Add attributes; `__` in a name is a dot, and what is None is left out."""

    def __enter__(self) -> "Span":
        return self

    def __exit__(self, *_: object) -> None:
        return None


_NOTHING = Span()


class _Recorded(Span):
    def __init__(self, span: Any) -> None:  # noqa: ANN401 - OpenTelemetry's, imported only when on
        self._span = span

    def note(self, **attributes: Value | None) -> None:
        self._span.set_attributes(_named(attributes))


def begin(endpoint: str | None) -> None:
    """Send spans to a collector by OTLP over HTTP, until the process ends; with None nothing happens.

    The OTEL_* names of OpenTelemetry say the rest: OTEL_EXPORTER_OTLP_HEADERS, OTEL_SERVICE_NAME,
    OTEL_RESOURCE_ATTRIBUTES, OTEL_TRACES_SAMPLER and more.

    Args:
        endpoint: the collector's base address; `/v1/traces` is added.

    Raises:
        ConfigurationError: OpenTelemetry is not installed.
    """
    global _provider  # noqa: PLW0603 - see above
    if endpoint is None or _provider is not None:
        return
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 - only when on
            OTLPSpanExporter,
        )
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
    except ImportError:
        raise ConfigurationError(
            "LEADPIPE_OTLP_ENDPOINT is set, but OpenTelemetry is not installed; install `leadpipe[tracing]`"
        ) from None
    resource = Resource.create()
    if str(resource.attributes["service.name"]).startswith("unknown_service"):
        resource = resource.merge(Resource({"service.name": "leadpipe"}))
    resource = resource.merge(Resource({"service.version": version("leadpipe")}))
    _provider = TracerProvider(resource=resource)  # its atexit hook sends what is left
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    _provider.add_span_processor(BatchSpanProcessor(exporter))


def is_on() -> bool:
    """Whether spans go anywhere."""
    return _provider is not None


def end() -> None:
    """Send what is left, and switch off."""
    global _provider  # noqa: PLW0603 - see above
    if _provider is not None:
        _provider.shutdown()
        _provider = None


def flush() -> None:
    """Send what is there: the processes of Dagster's runs do not always end in the usual way."""
    if _provider is not None:
        _provider.force_flush()


def span(name: str, *, kind: Kind = "internal", **attributes: Value | None) -> "Span | Any":  # noqa: ANN401
    """A span for the block of a `with`, inside the one around it; of an exception it has the name.

    Args:
        name: of few, such as `PostHog query`.
        kind: who asks whom.
        attributes: as in `Span.note`.
    """
    return _NOTHING if _provider is None else _span(name, kind, attributes)


def carried(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """The function for another thread, where its spans belong into the span of now."""
    if _provider is None:
        return function
    context = copy_context()

    def inside(*given: _P.args, **named: _P.kwargs) -> _T:
        return context.copy().run(
            function, *given, **named
        )  # one context runs one thread at a time

    return inside


def trace_id() -> str | None:
    """The id of the trace that goes on here, as collectors show it; None where there is none."""
    if _provider is None:
        return None
    from opentelemetry.trace import format_trace_id, get_current_span  # noqa: PLC0415 - only when on

    context = get_current_span().get_span_context()
    return format_trace_id(context.trace_id) if context.is_valid else None


class TracedLines(logging.Formatter):
    """Log lines with the id of their trace, where there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and `trace_id=…`."""
        line, found = super().format(record), trace_id()
        return f"{line} trace_id={found}" if found else line


@contextmanager
def _span(name: str, kind: Kind, attributes: dict[str, Value | None]) -> Iterator[Span]:
    from opentelemetry.trace import SpanKind, StatusCode  # noqa: PLC0415 - only when on

    provider = _provider
    if provider is None:
        yield _NOTHING
        return
    with provider.get_tracer("leadpipe", version("leadpipe")).start_as_current_span(
        name,
        kind=SpanKind[kind.upper()],
        attributes=_named(attributes),
        record_exception=False,  # its text may be about somebody
        set_status_on_exception=False,
    ) as begun:
        try:
            yield _Recorded(begun)
        except BaseException as error:
            begun.set_status(StatusCode.ERROR)
            begun.set_attribute("error.type", type(error).__name__)
            raise


def _named(attributes: dict[str, Value | None]) -> dict[str, Value]:
    return {
        name.replace("__", "."): value for name, value in attributes.items() if value is not None
    }
