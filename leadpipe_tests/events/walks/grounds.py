"""Where walks are taken, and what is told of one that ends wrong."""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from leadpipe.settings import whole_settings
from leadpipe_tests.events.walks.making import Walk
from leadpipe_tests.events.walks.truth import differences
from leadpipe_tests.events.walks.walking import Walker
from posthog_sandbox.process import SandboxProcess

_MOST_LINES = 8


@dataclass(frozen=True)
class Grounds:
    """A running sandbox, and who moves its clock and this process's."""

    sandbox: SandboxProcess
    set_clock: Callable[[datetime], object]

    def problems(self, walk: Walk) -> list[str]:
        """What is wrong at the end of a walk, a line each; an error of leadpipe's is one, too."""
        with tempfile.TemporaryDirectory(prefix="leadpipe-walk-") as name:
            folder = Path(name)
            settings = whole_settings()(
                _env_file=None,
                posthog_api_key=self.sandbox.api_key,
                posthog_project_id=self.sandbox.project_id,
                posthog_base_url=self.sandbox.url,
                data_dir=folder / "data",
                dagster_home=folder,
            )
            walker = Walker(walk, settings, self.sandbox.control, self.set_clock)
            try:
                walker.go()
                second = folder / "second"
                second.mkdir()
                return differences(walker, self.sandbox, second)
            except Exception as error:  # noqa: BLE001 - whatever it is, the walk ended wrong
                return [f"{type(error).__name__}: {error}"]


def told(walk: Walk, problems: Sequence[str]) -> str:
    """A walk that ends wrong as people read it."""
    lines = [
        f"seed {walk.seed} ends wrong:",
        f"   0. it is {walk.start:%Y-%m-%d %H:%M}, {walk.most_gone:.0%} of a day may go",
        *(f"  {number:2}. {step}" for number, step in enumerate(walk.steps, 1)),
        "   in the end:",
        *(f"      {line}" for line in problems[:_MOST_LINES]),
        f"the steps it needs: .venv/bin/python -m leadpipe_tests.events.walks --seed {walk.seed}",
    ]
    return "\n".join(lines)
