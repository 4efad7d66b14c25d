"""Questions a team asks of the published tables, each a `.sql` file in the domain it is about.

`leadpipe/<domain>/questions/<name>.sql` opens with the question as a comment; further comment lines say what
to know of the answer. The rest is one SELECT over published tables without personal data, without parameters,
so that it runs in any tool. The page `/questions` and docs/questions.md are made of these files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from leadpipe.domains import packages
from leadpipe.errors import DomainMisfit

_FOLDER = "questions"
_COMMENT = "--"


@dataclass(frozen=True)
class Question:
    """A question and its SQL.

    Args:
        domain: whose question it is.
        name: of its file, unique in the domain.
        title: the question, in people's words.
        note: what to know of the answer; empty if there is nothing.
        sql: one SELECT, without its opening comment and a closing semicolon.
    """

    domain: str
    name: str
    title: str
    note: str
    sql: str

    @property
    def slug(self) -> str:
        """The name as addresses have it."""
        return self.name.replace("_", "-")


@cache
def questions() -> tuple[Question, ...]:
    """All questions, in the order of the domains, by title in each.

    Raises:
        DomainMisfit: a file has no question on its first line.
    """
    return tuple(_found())


def _found() -> Iterator[Question]:
    for package in packages():
        domain = package.__name__.rpartition(".")[2]
        folder = files(package) / _FOLDER
        if not folder.is_dir():
            continue
        texts = {
            file.name.removesuffix(".sql"): file.read_text(encoding="utf-8")
            for file in folder.iterdir()
            if file.name.endswith(".sql")
        }
        yield from sorted(
            (read_question(domain, name, text) for name, text in texts.items()),
            key=lambda question: question.title,
        )


def read_question(domain: str, name: str, text: str) -> Question:
    """A question from the text of its file.

    Raises:
        DomainMisfit: its first line is no question.
    """
    lines = text.strip().splitlines()
    opening: list[str] = []
    while lines and lines[0].startswith(_COMMENT):
        opening.append(lines.pop(0).removeprefix(_COMMENT).strip())
    title, *note = opening or [""]
    if not title.endswith("?"):
        raise DomainMisfit(
            f"leadpipe/{domain}/{_FOLDER}/{name}.sql should open with its question: `-- Which …?`"
        )
    return Question(
        domain, name, title, " ".join(note), "\n".join(lines).rstrip().removesuffix(";")
    )
