"""`python -m benchmarks [--full | --small | --sizes N,N] [NAME …]`: run all benchmarks or those named."""

import argparse

from benchmarks import (
    analytics,
    backfill,
    cluster,
    delivery,
    draw,
    extract,
    history,
    interactions,
    lanes,
    mapping,
    pages,
    proof,
    steps,
    typing,
    webhook,
    year,
)

BENCHMARKS = {
    "extract": extract.run,
    "lanes": lanes.run,
    "year": year.run,
    "typing": typing.run,
    "mapping": mapping.run,
    "analytics": analytics.run,
    "history": history.run,
    "steps": steps.run,
    "proof": proof.run,
    "webhook": webhook.run,
    "interactions": interactions.run,
    "draw": draw.run,
    "delivery": delivery.run,
    "pages": pages.run,
    "cluster": cluster.run,
    "backfill": backfill.run,
}
_SMALL = {"lanes": lanes.run}
"""Those that have a form of a minute or two."""

_SIZED = {"steps": steps.run}
"""Those whose histories may be of any length."""


def _sizes(text: str) -> list[int]:
    """Numbers of events, as `2000000,20_000_000`."""
    return [int(size) for size in text.split(",")]


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME")
    parser.add_argument(
        "--full", action="store_true", help="The sizes of the budgets: hours, not minutes."
    )
    parser.add_argument(
        "--small", action="store_true", help=f"A minute or two; of {', '.join(_SMALL)} only."
    )
    parser.add_argument(
        "--sizes",
        type=_sizes,
        metavar="N,N",
        help=f"Histories of so many events; of {', '.join(_SIZED)} only.",
    )
    options = parser.parse_args()
    if options.sizes:
        for name in options.names or _SIZED:
            if name not in _SIZED:
                parser.error(f"{name} has no sizes to choose; {', '.join(_SIZED)} has")
            _SIZED[name](is_full=options.full, sizes=options.sizes)
        return
    if options.small:
        for name in options.names or _SMALL:
            if name not in _SMALL:
                parser.error(f"{name} has no small form; {', '.join(_SMALL)} has one")
            _SMALL[name](is_full=options.full, is_small=True)
        return
    for name in options.names or BENCHMARKS:
        BENCHMARKS[name](is_full=options.full)


if __name__ == "__main__":
    main()
