"""The words by which names and values are told, of all languages at once: `languages/*.toml`.

Belongs here: reading those files, and which marks a text has by them. Does not belong here: what an event
means by its marks (`words.py`).
"""

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from functools import cache, lru_cache
from importlib.resources import files

_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_WORD = re.compile(r"[^\W_]+")
_UNMARKED = str.maketrans({"ı": "i", "ß": "ss", "ø": "o", "æ": "ae", "œ": "oe", "ł": "l"})
_SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ß": "ss"})
_PHRASES = "_phrases"
_LONGEST_PHRASE = 4
# Of a value that is longer only the beginning says anything.
_LONGEST_TEXT = 200


def folded(text: str) -> str:
    """A text without accents.

    >>> folded("Ağırlık")
    'Agirlik'
    """
    apart = unicodedata.normalize("NFKD", text.translate(_UNMARKED))
    return "".join(each for each in apart if not unicodedata.combining(each))


@lru_cache(maxsize=65_536)
def words_of(text: str) -> tuple[str, ...]:
    """The words of a name or a value, in lower case and without accents."""
    return tuple(_WORD.findall(_HUMP.sub("_", folded(text[:_LONGEST_TEXT])).lower()))


@lru_cache(maxsize=65_536)
def marks_of(text: str) -> frozenset[str]:
    """What words of a text are marked as, such as `events.seen` or `properties.listing`."""
    words = words_of(text)
    found = {mark for word in words for mark in word_marks(word)}
    for length in range(2, _LONGEST_PHRASE + 1):
        for start in range(len(words) - length + 1):
            found |= _index().of("".join(words[start : start + length]), is_phrase=True)
    return frozenset(found)


def has(mark: str, text: str) -> bool:
    """Whether a word of the text has a mark."""
    return mark in marks_of(text)


@lru_cache(maxsize=65_536)
def word_marks(word: str) -> frozenset[str]:
    """The marks of one word, as `words_of` gives it."""
    return frozenset(_index().of(word, is_phrase=False))


@cache
def lister_types() -> tuple[str, ...]:
    """The kinds of listers for which there are words."""
    return tuple(tomllib.loads(_texts()["english"])["listers"])


class _Index:
    """Marks by word: whole words, beginnings and ends; of phrases the words without blanks."""

    def __init__(self) -> None:
        self.whole: dict[str, set[str]] = {}
        self.beginnings: dict[str, set[str]] = {}
        self.ends: dict[str, set[str]] = {}
        self.phrases: set[str] = set()

    def add(self, phrase: str, mark: str) -> None:
        for spelling in {folded(phrase), folded(phrase.translate(_SPELT_OUT))}:
            parts = spelling.lower().split()
            joined = "".join(parts)
            key = joined.strip("*")
            kept = (
                self.beginnings
                if joined.endswith("*")
                else self.ends
                if joined.startswith("*")
                else self.whole
            )
            kept.setdefault(key, set()).add(mark)
            if len(parts) > 1:
                self.phrases.add(key)

    def of(self, word: str, *, is_phrase: bool) -> set[str]:
        """The marks of a word, or of words that stand together."""
        found: set[str] = set()
        for key, kept in self._keys(word):
            if key in kept and (not is_phrase or key in self.phrases):
                found |= kept[key]
        return found

    def _keys(self, word: str) -> Iterator[tuple[str, dict[str, set[str]]]]:
        yield word, self.whole
        for at in range(1, len(word) + 1):
            yield word[:at], self.beginnings
            yield word[-at:], self.ends


@cache
def _texts() -> dict[str, str]:
    folder = files("leadpipe").joinpath("events", "project", "languages")
    return {
        one.name.removesuffix(".toml"): one.read_text(encoding="utf-8")
        for one in sorted(folder.iterdir(), key=lambda each: each.name)
        if one.name.endswith(".toml")
    }


@cache
def _index() -> _Index:
    index = _Index()
    for text in _texts().values():
        for section, lines in tomllib.loads(text).items():
            for key, said in lines.items():
                mark = f"{section}.{key.removesuffix(_PHRASES)}"
                for phrase in said if isinstance(said, list) else said.split():
                    index.add(phrase, mark)
    return index
