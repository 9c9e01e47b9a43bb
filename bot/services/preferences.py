"""Where and when people are told what became of their jobs, as they chose it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, time, timedelta, timezone, tzinfo
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bot.chat.errors import UserError
from bot.chat.places import Place, PlaceKind
from bot.services.access import Member
from storage.database import Database
from storage.repositories import people

_HOURS = re.compile(r"(\d{1,2})(?::(\d{2}))?\s*[-–—~到至]\s*(\d{1,2})(?::(\d{2}))?(?:\s+(\S+))?")
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?", re.IGNORECASE)
_LONGEST_ADDRESS = 500


@dataclass(frozen=True, slots=True)
class Quiet:
    """Hours in which nothing rings, ``HH:MM`` each, in a time zone (``Asia/Shanghai``, ``+08:00``)."""

    begins: str
    ends: str
    zone: str

    def until(self, at: datetime) -> datetime:
        """When something of ``at`` may ring: then, or at the end of these hours. Aware, in UTC."""
        zone = zone_of(self.zone)
        local = at.astimezone(zone)
        begins, ends = time.fromisoformat(self.begins), time.fromisoformat(self.ends)
        clock = local.time()
        over_midnight = begins > ends
        quiet = (clock >= begins or clock < ends) if over_midnight else begins <= clock < ends
        if not quiet:
            return at.astimezone(UTC)
        day = local.date() + timedelta(days=1 if over_midnight and clock >= begins else 0)
        return datetime.combine(day, ends, zone).astimezone(UTC)

    def __str__(self) -> str:
        return f"{self.begins}–{self.ends} {self.zone}"


@dataclass(frozen=True, slots=True)
class Preferences:
    """``place``: where notices go, if not where the job was asked for; ``webhook``: an address that gets them, too."""

    place: Place | None = None
    webhook: str | None = None
    quiet: Quiet | None = None

    @classmethod
    def of(cls, row: Mapping[str, Any] | None) -> "Preferences":
        """From what is stored."""
        if not row:
            return cls()
        place, quiet = row.get("place"), row.get("quiet")
        return cls(
            Place(place["platform"], place["chat"], place["thread"], PlaceKind(place["kind"])) if place else None,
            row.get("webhook"),
            Quiet(**quiet) if quiet else None,
        )

    def row(self) -> dict[str, Any]:
        """As it is stored."""
        place = self.place
        return {
            "place": None
            if place is None
            else {
                "platform": place.platform,
                "chat": place.chat,
                "thread": place.thread,
                "kind": place.kind.value,
            },
            "webhook": self.webhook,
            "quiet": None if self.quiet is None else asdict(self.quiet),
        }


class Chosen:
    """Reads and keeps what people chose."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def get(self, member: Member) -> Preferences:
        """A person's choices."""
        assert member.id is not None
        async with self._database.transaction() as session:
            person = await people.get(session, member.id)
        return Preferences.of(person.notify if person else None)

    async def change(self, member: Member, **values: Any) -> Preferences:
        """Keep another choice; returns all of them."""
        assert member.id is not None
        async with self._database.transaction() as session:
            person = await people.get(session, member.id)
            assert person is not None
            chosen = replace(Preferences.of(person.notify), **values)
            person.notify = chosen.row()
        return chosen


def quiet_of(text: str) -> Quiet:
    """Hours as people write them: ``22-8``, ``22:30–07:00 Asia/Shanghai``, ``23-7 +8``. Raises ``UserError``."""
    found = _HOURS.fullmatch(text.strip())
    if found is None:
        raise UserError("quiet_malformed", value=text[:40])
    try:
        begins = time(int(found[1]), int(found[2] or 0))
        ends = time(int(found[3]), int(found[4] or 0))
    except ValueError:
        raise UserError("quiet_malformed", value=text[:40]) from None
    if begins == ends:
        raise UserError("quiet_malformed", value=text[:40])
    zone = found[5] or "UTC"
    zone_of(zone)
    return Quiet(f"{begins:%H:%M}", f"{ends:%H:%M}", zone)


def zone_of(name: str) -> tzinfo:
    """A time zone by its name or its distance from UTC. Raises ``UserError`` ``zone_unknown``."""
    if offset := _OFFSET.fullmatch(name):
        minutes = int(offset[2]) * 60 + int(offset[3] or 0)
        if minutes <= 14 * 60:
            return timezone(timedelta(minutes=minutes if offset[1] == "+" else -minutes))
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UserError("zone_unknown", value=name[:40]) from None


def webhook_of(text: str, *, hosts: tuple[str, ...]) -> str:
    """An address to post to: ``https``, or a host that whoever runs the bot allows. Raises ``UserError``."""
    address = text.strip()
    try:
        parts = urlsplit(address)
        host = parts.hostname or ""
        named = f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        raise UserError("webhook_malformed") from None
    if len(address) > _LONGEST_ADDRESS or not host or parts.username or parts.fragment:
        raise UserError("webhook_malformed")
    if parts.scheme == "https" or (parts.scheme == "http" and named.lower() in hosts):
        return address
    raise UserError("webhook_malformed")
