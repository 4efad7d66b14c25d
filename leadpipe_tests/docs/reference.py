"""Write what is made from other sources: pages from the code, dbt's sources from a page.

`docs/settings.md`, `docs/cli.md`, `docs/questions.md` and `examples/dbt/models/sources.yml`. Run
`python -m leadpipe_tests.docs.reference` after changing a setting, a command, a question or `docs/tables.md`;
a test compares.
"""

import re
import textwrap
from collections.abc import Callable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any, get_args

import click
from annotated_types import Ge, Le
from pydantic import SecretStr
from pydantic.fields import FieldInfo

import leadpipe.cli
from leadpipe.published.questions import questions
from leadpipe.settings import Settings, sections
from leadpipe_tests.docs.dbt_sources import dbt_sources
from leadpipe_tests.docs.markdown import ROOT

_KINDS = {
    "SecretStr": "secret text",
    "str": "text",
    "bool": "true or false",
    "int": "whole number",
    "float": "number",
    "Path": "path",
    "date": "date, `2026-01-31`",
    "tuple": "texts, separated by commas",
}
_PATTERNS = {
    r"^(auto|whole|cursor|link|page|offset)$": "`auto`, `whole`, `cursor`, `link`, `page` or `offset`",
    r"^\d+(\.\d+)?\s*(MB|GB|MiB|GiB)$": "number with MB, GB, MiB or GiB",
    r"^[A-Z]{2}$": "two letters",
    r"^(filters|static)$": "`filters` or `static`",
}
_MADE = "<!-- Made by `python -m leadpipe_tests.docs.reference`; a test compares it with the code. -->\n"


def settings_page() -> str:
    """`docs/settings.md`, from the fields of all sections, each below its owner."""
    lines = [
        "# Settings",
        "",
        _MADE,
        "Settings come from the environment, or from `.env` in the working directory; the environment",
        "wins. An empty value means the default. Secrets never appear in output, logs or the Dagster UI.",
        "What is not listed here is not configurable. `leadpipe check` says whether they work.",
        "",
    ]
    owned: list[tuple[str, type[Settings]]] = [("shared by all", Settings), *sections()]
    for owner, section in owned:
        own = {
            name: field
            for name, field in section.model_fields.items()
            if name in vars(section).get("__annotations__", {})
        }
        lines += [f"## {owner[0].upper()}{owner[1:]}", ""]
        lines += ["| name | type | default | meaning |", "|---|---|---|---|"]
        lines += [_settings_row(name, field) for name, field in own.items()]
        lines.append("")
    lines += [
        "## The key",
        "",
        "The key needs the scope `query:read`. With `project:read` as well, leadpipe knows from",
        "when on PostHog shows events, and `leadpipe check` shows the",
        "project's name and time zone. Draws need [further scopes](operations.md#scopes). How to make a",
        "key: [operations](operations.md#a-real-project).",
        "",
        "Score rules are a TOML file, not a setting; see [lead scores](tables.md#lead-scores).",
    ]
    return "\n".join(lines) + "\n"


def _settings_row(name: str, field: FieldInfo) -> str:
    cells = (
        f"`{field.alias or name.upper()}`",
        _kind(field),
        _default(field),
        str(field.description),
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _kind(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    options = [option for option in get_args(annotation) if option is not type(None)]
    plain = annotation if isinstance(annotation, type) else options[0]
    words = _KINDS[getattr(plain, "__name__", "tuple") if plain is not str else "str"]
    least = next((item.ge for item in field.metadata if isinstance(item, Ge)), None)
    most = next((item.le for item in field.metadata if isinstance(item, Le)), None)
    if least is not None and most is not None:
        return f"{words}, {least:,} to {most:,}"
    pattern = next((item.pattern for item in field.metadata if hasattr(item, "pattern")), None)
    return _PATTERNS[pattern] if pattern else words


def _default(field: FieldInfo) -> str:
    if field.default is None or field.default == ():
        return "none"
    assert not isinstance(field.default, SecretStr)
    return f"`{field.default}`"


def cli_page() -> str:
    """`docs/cli.md`, from click's commands."""
    parts = [
        "# Commands\n",
        _MADE,
        textwrap.dedent("""\
            Run them in the folder with `.env`. After `make setup` they are `.venv/bin/leadpipe …`; with the
            environment activated (`. .venv/bin/activate`) just `leadpipe …`.

            Results go to stdout; progress and errors go to stderr. Commands that print rows print a table;
            `--json` and `--csv` are for programs. Exit code 0 means success, 1 an error that is explained
            in one line, 2 a command that was typed wrongly; `sync-leads` and `validate-leads` end with 3
            when they have findings. `-h` explains any command;
            [completion](operations.md#the-command-line) makes Tab finish them.

            On a terminal a table fits the width: ids are cut to a start that tells them apart, which can be
            typed in their place; times are `2 h ago`; the least important columns go, which is said below the
            table; and where that is not enough, a row is a block of lines `name: value`. `--exact` keeps ids
            whole and times to the second. A file or a program gets all of it, whatever the terminal is.

            Commands that read (`runs`, `days`, `listings`, `leads list`, `leads show`, `leads try-scores`,
            `draws show`) use the published tables, and what is said about leads (`leads status`,
            `leads note`, `leads undo`) is kept beside the warehouse: none of them waits for a sync. The
            others (`sync`, `rebuild`, `draws`) open the warehouse, and wait for it up to
            `LEADPIPE_LOCK_TIMEOUT_SECONDS`.
            """),
    ]
    context = click.Context(leadpipe.cli.main, info_name="leadpipe")
    parts += [_command_section(child) for child in _leaves(context)]
    return "\n".join(parts)


def _leaves(context: click.Context) -> Iterator[click.Context]:
    """Contexts of the commands that do something, groups resolved, by name."""
    group = context.command
    assert isinstance(group, click.Group)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        assert command is not None
        child = click.Context(command, info_name=name, parent=context)
        if isinstance(command, click.Group):
            if command.invoke_without_command:
                yield child
            yield from _leaves(child)
        else:
            yield child


def _command_section(context: click.Context) -> str:
    command = context.command
    text, _, examples = (command.help or "").partition("\b\n")
    paragraphs = [" ".join(part.split()) for part in text.strip().split("\n\n")]
    typed = [line.strip() for line in examples.splitlines()[1:] if line.strip()]
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    lines = [f"## `{context.command_path}`", ""]
    lines += [f"{paragraph}\n" for paragraph in paragraphs]
    lines += ["```text", usage, "```", ""]
    if options := _options(context):
        lines += ["| option | meaning |", "|---|---|", *options, ""]
    lines += ["```bash", *(re.sub(r"\s{2,}.*$", "", line) for line in typed), "```", ""]
    return "\n".join(lines)


def _options(context: click.Context) -> list[str]:
    rows: list[str] = []
    for parameter in context.command.get_params(context):
        record = parameter.get_help_record(context) if isinstance(parameter, click.Option) else None
        if record is None or "--help" in parameter.opts:
            continue
        names, meaning = (" ".join(text.split()).replace("|", "\\|") for text in record)
        rows.append(f"| `{names.replace('[%Y-%m-%d]', 'YYYY-MM-DD')}` | {meaning} |")
    return rows


def questions_page() -> str:
    """`docs/questions.md`, from the domains' questions."""
    lines = [
        "# Questions and their SQL",
        "",
        _MADE,
        "What a team asks of the [published tables](tables.md#published-tables). The page `/questions` shows",
        "each of these with the answer of now. To ask one elsewhere, see [BI and notebooks](bi.md). They",
        "use no table with personal data. Each is a file of its domain, `leadpipe/<domain>/questions/`; add",
        "yours there.",
        "",
    ]
    for domain, asked in groupby(questions(), lambda question: question.domain):
        lines += [f"## {domain.capitalize()}", ""]
        for question in asked:
            lines += [f"### {question.title}", ""]
            lines += [*textwrap.wrap(question.note, 110), ""] if question.note else []
            lines += ["```sql", question.sql, "```", ""]
    return "\n".join(lines[:-1]) + "\n"


MADE: dict[Path, Callable[[], str]] = {
    ROOT / "docs" / "settings.md": settings_page,
    ROOT / "docs" / "cli.md": cli_page,
    ROOT / "docs" / "questions.md": questions_page,
    ROOT / "examples" / "dbt" / "models" / "sources.yml": dbt_sources,
}
"""What is made, and of what."""


def main() -> None:
    """Write all of them."""
    for path, make in MADE.items():
        path.write_text(make(), encoding="utf-8")


if __name__ == "__main__":
    main()
