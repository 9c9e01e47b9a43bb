"""Who did what when, page by page and as a table."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bot.chat.errors import UserError
from storage.database import Database
from storage.repositories import audit, people
from storage.repositories.audit import Entry

SIZE = 10
# Older things are in the table; a chat is no place to page through thousands.
LAST = 50
# Rows of the table.
MOST = 10_000
COLUMNS = ("at", "person_id", "person", "kind", "facts")
# A program for tables takes what begins so for something to compute.
_COMPUTED = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True)
class Page:
    """Entries of one page, newest first. ``names``: by person; ``older``: there is another page."""

    number: int
    entries: Sequence[Entry]
    names: Mapping[int, str]
    older: bool


class Audit:
    """Reads it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def page(self, number: int) -> Page:
        """A page, from 1. Raises ``UserError`` for one that there cannot be."""
        if not 1 <= number <= LAST:
            raise UserError("audit_page", last=LAST)
        async with self._database.transaction() as session:
            found = await audit.newest(session, number * SIZE + 1)
            names = {person.id: person.name for person in await people.everybody(session)}
        shown = found[(number - 1) * SIZE : number * SIZE]
        return Page(number, shown, names, older=len(found) > number * SIZE and number < LAST)

    async def table(self) -> bytes:
        """The newest of it as CSV, newest first: :data:`COLUMNS`, times in UTC, facts as JSON."""
        async with self._database.transaction() as session:
            found = await audit.newest(session, MOST)
            names = {person.id: person.name for person in await people.everybody(session)}
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(COLUMNS)
        for entry in found:
            number = entry.person_id
            name = names.get(number, "") if number is not None else ""
            facts = json.dumps(dict(entry.facts), ensure_ascii=False)
            writer.writerow((entry.at.isoformat(), number or "", _plain(name), entry.kind, facts))
        return text.getvalue().encode("utf-8-sig")


def _plain(name: str) -> str:
    return f"'{name}" if name.startswith(_COMPUTED) else name
