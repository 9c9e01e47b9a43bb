"""Every sentence that a person sees, in Chinese and English.

A sentence has a key (``card.job.title``) that is the ``msgid`` of the catalogues ``<language>/*.po``; fields stand
in braces. Numbers among the fields are written the way the language writes them, but for those that name something
(a job, a version, what a command is about), which are written as people must type them. An entry with a plural is
chosen by its field ``n``.
"""

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from io import BytesIO

from babel import Locale, dates, numbers
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po

LANGUAGES = ("zh", "en")
# A field of these is no count: the item of a command, or what stands behind the word for a numbered thing.
_ITEM = re.compile(
    r"(?:/\w*[_ ]|\bv|#|\b(?:[Jj]ob|[Dd]ataset|[Vv]ersion|[Nn]umber) |(?:任务|数据集|版本|编号) ?)\{(\w+)\}"
    r"|\{(\w+)\} ?号"
)
DEFAULT_LANGUAGE = "en"


class UnknownPhrase(KeyError):
    """A key that is in no catalogue: a mistake of ours, never of a person."""


def language_of(tag: str | None) -> str | None:
    """The language of ours for a client's tag (``zh-hans``, ``en_GB``), if there is one."""
    if not tag:
        return None
    prefix = tag.replace("_", "-").split("-", 1)[0].lower()
    return prefix if prefix in LANGUAGES else None


@cache
def _items(text: str) -> frozenset[str]:
    """The fields of a sentence that name something."""
    return frozenset(before or after for before, after in _ITEM.findall(text))


class Translator:
    """Says things in one language."""

    def __init__(self, language: str) -> None:
        self.language = language
        self._locale = Locale.parse(language)
        self._catalog = catalogue(language)

    def __call__(self, key: str, /, **fields: object) -> str:
        """The sentence for ``key``. Raises :class:`UnknownPhrase`."""
        message = self._catalog.get(key)
        if message is None or not message.string:
            raise UnknownPhrase(key)
        text = message.string
        if not isinstance(text, str):
            count = fields.get("n", 0)
            form = self._catalog.plural_expr
            text = text[_plural_index(form, count if isinstance(count, int) else 0)]
        items = _items(text)
        return text.format_map(
            {name: str(value) if name in items else self._written(value) for name, value in fields.items()}
        )

    def has(self, key: str) -> bool:
        """Whether there is a sentence for ``key``."""
        return key in self._catalog

    def _written(self, value: object) -> str:
        if isinstance(value, bool | str):
            return str(value)
        if isinstance(value, int):
            return self.number(value)
        if isinstance(value, float):
            return f"{value:g}"
        return str(value)

    def number(self, value: float, digits: int = 2) -> str:
        """A number with the language's separators and at most ``digits`` decimals."""
        pattern = "#,##0" if isinstance(value, int) else "#,##0." + "#" * digits
        return numbers.format_decimal(value, pattern, locale=self._locale)

    def percent(self, share: float, digits: int = 0) -> str:
        """A share of one as a percentage."""
        return numbers.format_percent(
            share, "#,##0" + ("." + "0" * digits if digits else "") + "%", locale=self._locale
        )

    def duration(self, seconds: float) -> str:
        """A length of time in its largest sensible unit (``70 s``, ``12 min``, ``3.5 h``)."""
        if seconds < 90:
            return self("unit.seconds", value=str(max(0, round(seconds))))
        if seconds < 90 * 60:
            return self("unit.minutes", value=str(round(seconds / 60)))
        if seconds < 36 * 3600:
            return self("unit.hours", value=f"{seconds / 3600:.1f}")
        return self("unit.days", value=f"{seconds / 86400:.1f}")

    def size(self, count: int) -> str:
        """A number of bytes, in kB, MB or GB of a thousand."""
        for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
            if count >= 1000**power:
                return f"{self.number(count / 1000**power, 1)} {unit}"
        return self("unit.bytes", n=count)

    def when(self, moment: datetime) -> str:
        """A point in time, UTC, short."""
        return dates.format_datetime(moment, "yyyy-MM-dd HH:mm", locale=self._locale) + " UTC"


def _plural_index(expression: str, count: int) -> int:
    # The two languages here: Chinese has one form, English two. Any other needs its rule named here.
    return 0 if expression.strip("() ") == "0" else int(count != 1)


@cache
def catalogue(language: str) -> Catalog:
    """All entries of one language; a key that stands in two files is an error."""
    merged = Catalog(locale=language)
    folder = resources.files(__name__).joinpath(language)
    for file in sorted(_po_files(folder), key=lambda entry: entry.name):
        for message in read_po(BytesIO(file.read_bytes()), locale=language, abort_invalid=True):
            if not message.id:
                continue
            if message.id in merged:
                raise ValueError(f"{language}/{file.name}: {message.id} is defined twice")
            merged[message.id] = message
    return merged


def _po_files(folder: Traversable) -> list[Traversable]:
    return [entry for entry in folder.iterdir() if entry.name.endswith(".po")]


@cache
def translator(language: str) -> Translator:
    """The translator of a language of ours."""
    if language not in LANGUAGES:
        raise ValueError(language)
    return Translator(language)


def phrases(prefix: str) -> Mapping[str, Mapping[str, str]]:
    """All sentences whose key begins with ``prefix``, by language and key: what a page's script is given."""
    found: dict[str, dict[str, str]] = {}
    for language in LANGUAGES:
        found[language] = {
            str(message.id): str(message.string)
            for message in catalogue(language)
            if isinstance(message.id, str) and message.id.startswith(prefix)
        }
    return found
