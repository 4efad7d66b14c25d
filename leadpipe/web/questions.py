"""`/questions`: what a team asks of its tables, each with its SQL and the answer of now.

The questions are the domains' (`questions/`). An answer is found when somebody looks at it, one at a time,
and kept until something else is published.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from leadpipe.errors import AnswerTooSlow, NotPublished
from leadpipe.published.questions import Question, questions
from leadpipe.published.reading import Answer, current_publication, first_rows
from leadpipe.settings import Settings
from leadpipe.web.rendering import render
from leadpipe.web.sessions import only_logged_in
from leadpipe.web.state import Web, state_of

QUESTIONS = "/questions"
MOST_ROWS = 50
_SECONDS = 15.0


def routes() -> list[Route]:
    """The routes of the questions, all for people who are logged in."""
    return [
        Route(QUESTIONS, only_logged_in(_all)),
        Route(f"{QUESTIONS}/{{domain}}/{{slug}}", only_logged_in(_one)),
    ]


@dataclass
class Answers:
    """The answers that were found, each with the publication it is of."""

    _found: dict[tuple[str, str], Answer] = field(default_factory=dict)
    _one_at_a_time: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def of(self, question: Question, settings: Settings) -> Answer:
        """The answer of the current publication.

        Raises:
            AnswerTooSlow: it took too long.
            NotPublished: there is nothing to ask.
        """
        key = (question.domain, question.name)
        folder = settings.published_dir
        async with self._one_at_a_time:
            publication, _ = await run_in_threadpool(current_publication, folder)
            known = self._found.get(key)
            if known is None or known.publication != publication:
                known = await run_in_threadpool(
                    first_rows, folder, question.sql, most_rows=MOST_ROWS, seconds=_SECONDS
                )
                self._found[key] = known
        return known


async def _all(request: Request) -> Response:
    """All questions, by domain."""
    by_domain = [
        (domain, list(of_it)) for domain, of_it in groupby(questions(), lambda one: one.domain)
    ]
    return render(request, "questions.html", {"by_domain": by_domain})


async def _one(request: Request) -> Response:
    """A question with its SQL, the first rows of its answer, and how to ask it elsewhere."""
    asked = (request.path_params["domain"], request.path_params["slug"])
    question = next((one for one in questions() if (one.domain, one.slug) == asked), None)
    if question is None:
        raise HTTPException(404)
    content = {"question": question, "most_rows": MOST_ROWS}
    return render(
        request, "question.html", {**content, **await _answered(state_of(request), question)}
    )


async def _answered(web: Web, question: Question) -> Mapping[str, Any]:
    try:
        answer = await web.held(Answers).of(question, web.settings)
        _, published_at = await run_in_threadpool(current_publication, web.settings.published_dir)
    except NotPublished:
        problem = "Nothing is published yet, or by an older leadpipe. Run a sync first."
    except AnswerTooSlow as error:
        problem = f"{error} Ask it in a DuckDB shell, as is said below."
    else:
        shown = _shown(answer)
        return {"answer": shown, "published_at": published_at, "problem": None}
    return {"answer": None, "published_at": None, "problem": problem}


def _shown(answer: Answer) -> Mapping[str, Any]:
    rows = answer.rows.rows
    numeric = [
        any(row[place] is not None for row in rows)
        and all(row[place] is None or _is_number(row[place]) for row in rows)
        for place in range(len(answer.rows.columns))
    ]
    columns = [
        _cells([row[place] for row in rows], is_number=is_number)
        for place, is_number in enumerate(numeric)
    ]
    return {
        "columns": list(zip((_words(name) for name in answer.rows.columns), numeric, strict=True)),
        "rows": list(zip(*columns, strict=True)),
        "is_cut": answer.is_cut,
    }


def _cells(values: Sequence[object], *, is_number: bool) -> list[tuple[str, bool]]:
    """A column's cells; its numbers have as many decimals as the longest of them."""
    decimals = max((_decimals(value) for value in values), default=0)
    return [(_text(value, decimals), is_number) for value in values]


def _decimals(value: object) -> int:
    return len(f"{value:.4f}".rstrip("0").partition(".")[2]) if isinstance(value, float) else 0


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _words(column: str) -> str:
    return column.replace("_", " ")


def _text(value: object, decimals: int) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    return f"{value:,.{decimals}f}" if _is_number(value) else str(value)
