"""Read Markdown pages as data: fenced blocks, sections, tables, links, anchors.

What the pages should say is the tests' business.
"""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
_FENCE = re.compile(r"^```(\S*)[ ]?(.*)$")
_EXAMPLES = ("examples/dbt/README.md", "examples/evidence/README.md")
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, what else its opening line says, its text and its line."""

    language: str
    title: str
    text: str
    line: int


def pages() -> list[Path]:
    """Every page a person reads."""
    top = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md")
    single = (*top, "data/README.md", "posthog_sandbox/README.md", *_EXAMPLES)
    return [*(ROOT / name for name in single), *sorted((ROOT / "docs").glob("*.md"))]


def name_of(page: Path) -> str:
    """The page as one would type it from the repository's top."""
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str | None = None) -> list[Block]:
    """The page's fenced blocks, or those of one language."""
    found: list[Block] = []
    opening: tuple[str, str, int] | None = None
    lines: list[str] = []
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = _FENCE.match(line)
        if opening is None and fence:
            opening, lines = (fence[1], fence[2], number), []
        elif opening is not None and line == "```":
            text = "".join(f"{content}\n" for content in lines)
            found.append(Block(opening[0], opening[1], text, opening[2]))
            opening = None
        elif opening is not None:
            lines.append(line)
    assert opening is None, f"{name_of(page)}: a block is never closed"
    return [block for block in found if language in (None, block.language)]


def prose(page: Path) -> str:
    """The page without its fenced blocks."""
    text = page.read_text(encoding="utf-8")
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def links(page: Path) -> list[str]:
    """Where the page's links lead."""
    return _LINK.findall(prose(page))


def anchors(page: Path) -> set[str]:
    """What one can link to inside the page: its headings, as GitHub names them."""
    headings = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return {
        re.sub(r"[^\w\- ]", "", heading.replace("`", "").lower()).replace(" ", "-")
        for heading in headings
    }


def sections(page: Path, *, level: int) -> dict[str, str]:
    """Text below each heading of a level, up to the next heading of that level or a higher one."""
    found: dict[str, str] = {}
    current: str | None = None
    for line in page.read_text(encoding="utf-8").splitlines():
        heading = re.match(r"^(#+) (.+)$", line)
        if heading and len(heading[1]) <= level:
            current = heading[2].strip("`") if len(heading[1]) == level else None
            if current is not None:
                found[current] = ""
        elif current is not None:
            found[current] += line + "\n"
    return found


def table_rows(text: str) -> list[tuple[str, ...]]:
    """The cells of all tables in a text, without backticks, headers and the rulers below them."""
    rows: list[tuple[str, ...]] = []
    for line in text.splitlines():
        if not line.startswith("|"):
            continue
        cells = tuple(cell.strip().strip("`") for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        if set("".join(cells)) <= {"-", ":"}:
            rows.pop()
        else:
            rows.append(cells)
    return rows
