"""`posthog-sandbox` and `python -m posthog_sandbox`: serve a sandbox, or write its traffic to Parquet.

Belongs here: the command line. Does not belong here: anything else.
"""

import argparse
import ipaddress
import sys
from datetime import UTC, datetime
from pathlib import Path

_MISSING_EXTRA = "The sandbox needs more libraries: pip install 'leadpipe[sandbox]' ({})."


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0].startswith("-") and words[0] not in {"-h", "--help"}):
        words.insert(0, "serve")
    options = _parser().parse_args(words)
    try:
        code: int = options.run(options)
    except ModuleNotFoundError as error:
        _complain(_MISSING_EXTRA.format(error))
        return 1
    except (OSError, ValueError) as error:
        _complain(str(error))
        return 1
    return code


def _serve(options: argparse.Namespace) -> int:
    if not options.allow_remote and not _is_loopback(options.host):
        raise ValueError(
            f"{options.host} is not a loopback address and the sandbox has no real security. "
            "Use 127.0.0.1, or --allow-remote if you know who can reach it."
        )
    from posthog_sandbox.server import ServerSettings, serve  # noqa: PLC0415 - after the help

    serve(
        ServerSettings(
            host=options.host,
            port=options.port,
            events=options.events,
            days=options.days,
            end=options.end,
            seed=options.seed,
            project_timezone=options.project_timezone,
            api_key=options.api_key,
            project_id=options.project_id,
            scopes=tuple(options.scopes.split(",")),
            live_per_minute=options.live,
            webhook=options.webhook,
            data_dir=options.data_dir,
            exit_with_parent=options.exit_with_parent,
        )
    )
    return 0


def _parquet(options: argparse.Namespace) -> int:
    from posthog_sandbox.parquet import write_traffic  # noqa: PLC0415 - after the help

    written = write_traffic(
        options.out,
        events=options.events,
        days=options.days,
        end=options.end or datetime.now(UTC),
        seed=options.seed,
    )
    sys.stdout.write(f"{written['events']} rows in {options.out}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="posthog-sandbox",
        description="A PostHog to run against without an account.",
    )
    commands = parser.add_subparsers(required=True)
    serve = commands.add_parser("serve", help="serve the APIs on loopback (the default command)")
    serve.set_defaults(run=_serve)
    serve.add_argument("--host", default="127.0.0.1")
    serve.add_argument("--port", type=int, default=8010, help="0 picks a free port")
    serve.add_argument("--project-timezone", default="UTC", metavar="ZONE")
    serve.add_argument("--api-key", default="phx_sandbox")
    serve.add_argument("--project-id", default="1")
    serve.add_argument("--scopes", default="*", help="of the key, with commas: query:read,…")
    serve.add_argument("--live", type=float, default=0.0, help="further events a minute")
    serve.add_argument("--webhook", metavar="URL", help="post page views there as they come in")
    serve.add_argument(
        "--data-dir",
        type=Path,
        help="default: a temporary one; kept if given, and used again as it is",
    )
    serve.add_argument("--allow-remote", action="store_true", help="allow any --host")
    serve.add_argument("--exit-with-parent", action="store_true", help="end when the parent ends")
    parquet = commands.add_parser("parquet", help="write the same traffic to Parquet files")
    parquet.set_defaults(run=_parquet)
    parquet.add_argument("--out", type=Path, required=True, metavar="DIR")
    for command in (serve, parquet):
        command.add_argument("--events", type=int, default=20_000, help="rows; 0 for none")
        command.add_argument("--days", type=int, default=60)
        command.add_argument("--end", type=_moment, help="ISO 8601; default now")
        command.add_argument("--seed", type=int, default=1)
    return parser


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _complain(message: str) -> None:
    sys.stderr.write(f"{message}\n")


if __name__ == "__main__":
    sys.exit(main())
