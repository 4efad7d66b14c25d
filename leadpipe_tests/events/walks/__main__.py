"""`python -m leadpipe_tests.events.walks [--walks N] [--seed N …] [--without KIND …] [--whole]`: walk.

Each walk begins with an empty PostHog sandbox and no warehouse, and ends with a warehouse that is equal to
what PostHog shows, event by event, and with marts and published tables that follow from that. A walk that
does not is printed with the steps it needs; the exit code is 1 then.
"""

import argparse
import sys
import time
from collections.abc import Collection

import leadpipe_tests.conftest  # noqa: F401 - the tests' environment, before anything of leadpipe
from leadpipe_tests.clocks import NOW, OneClock
from leadpipe_tests.events.walks.grounds import Grounds, told
from leadpipe_tests.events.walks.making import make_walk
from leadpipe_tests.events.walks.shortening import shortened
from leadpipe_tests.events.walks.steps import KINDS
from posthog_sandbox.process import SandboxProcess

WALKS = 200


def main(words: Collection[str]) -> int:
    """Walk, and tell of each walk that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m leadpipe_tests.events.walks", description=__doc__
    )
    parser.add_argument("--walks", type=int, default=WALKS, help=f"how many, by default {WALKS}")
    parser.add_argument("--seed", type=int, action="append", help="this one; may be given again")
    parser.add_argument(
        "--without", choices=KINDS, action="append", default=[], help="leave out steps of a kind"
    )
    parser.add_argument(
        "--whole", action="store_true", help="tell a walk that ends wrong whole, which is quicker"
    )
    options = parser.parse_args(list(words))
    seeds = options.seed or range(1, options.walks + 1)
    clock = OneClock(NOW, is_dated=True)
    failed: list[int] = []
    began = time.monotonic()
    try:
        with SandboxProcess.start() as sandbox:
            clock.take_along(sandbox.control.set_clock)
            grounds = Grounds(sandbox, clock.set)
            for seed in seeds:
                walk = make_walk(seed, without=options.without)
                problems = grounds.problems(walk)
                if not problems:
                    _say(f"seed {seed}: as PostHog shows it")
                    continue
                failed.append(seed)
                if not options.whole:
                    walk = shortened(walk, lambda part: bool(grounds.problems(part)))
                    problems = grounds.problems(walk)
                _say(told(walk, problems))
    finally:
        clock.release()
    took = time.monotonic() - began
    _say(f"{len(seeds)} walks, {len(failed)} failed, {took:.0f} s. Failed: {failed or 'none'}")
    return int(bool(failed))


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
