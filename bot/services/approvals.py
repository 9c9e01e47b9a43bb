"""Runs that wait for a lead: told to those who may decide, decided once, and what came of it told to all of them.

What is told is stored in the transaction of the fact: whoever asked and waits has leads who were told of it, and what
was decided shows at every message that offered to decide.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.chat.places import MessageRef, Place, PlaceKind
from bot.services import notices
from bot.services.access import Member, Role
from bot.services.money import Amount
from bot.services.preferences import Preferences
from storage.clock import now
from storage.database import Database
from storage.repositories import ledger, outbox, people
from storage.tables import Approval, Job, OutboxRow

# What outbox entries of ours are about: a lead is asked; whoever asked is told the outcome.
ASKED, OUTCOME = "approval", "approval.outcome"
SUBJECTS = frozenset({ASKED, OUTCOME})
PENDING, APPROVED, REFUSED, WITHDRAWN = "pending", "approved", "refused", "withdrawn"
_LEADING = (Role.LEAD.word, Role.ADMIN.word)


class Waits(UserError):
    """A run waits for a lead, under this number. ``told``: the names of the leads who are told."""

    def __init__(self, number: int, told: tuple[str, ...]) -> None:
        super().__init__("approval_needed" if told else "approval_nobody_told", n=str(number), leads=", ".join(told))
        self.number = number


@dataclass(frozen=True, slots=True)
class Asked:
    """Where and how a run was asked for that waits."""

    platform: str
    chat: str
    thread: str
    place_kind: str
    language: str
    line: str
    request: str | None
    card: str | None

    @property
    def place(self) -> Place:
        """Where."""
        return Place(self.platform, self.chat, self.thread, PlaceKind(self.place_kind))

    @property
    def message(self) -> MessageRef | None:
        """The person's own message."""
        return MessageRef(self.place, self.request) if self.request else None

    @property
    def shown(self) -> MessageRef | None:
        """The card that says that it waits."""
        return MessageRef(self.place, self.card) if self.card else None


async def ask(
    session: AsyncSession, intent: str, person_id: int, run: Mapping[str, Any], asked: Asked, amount: Amount | None
) -> tuple[int, tuple[str, ...]]:
    """Keep a run and have leads told of it; its number and whom it was told. The same intent again is the same run.

    Raises ``UserError`` ``approval_…`` if that was decided already.
    """
    row = await ledger.ask_approval(
        session,
        Approval(
            intent=intent,
            person_id=person_id,
            run=dict(run),
            request=asdict(asked),
            estimate=asdict(amount) if amount else None,
            state=PENDING,
            created_at=now(),
        ),
    )
    if row.state != PENDING:
        raise await _decided(session, row)
    return row.id, await tell_leads(session, row)


async def tell_leads(session: AsyncSession, row: Approval) -> tuple[str, ...]:
    """Have every lead told once, but whoever asked. The names of those who are told, now or before.

    Those who are known to be in the group where it was asked are told there, in one message; the others alone, or
    where they chose.
    """
    asked = Asked(**row.request)
    sent = {entry.key for entry in await outbox.about(session, _key(row.id))}
    here = await people.known_in(session, asked.platform, asked.chat) if asked.place.kind is PlaceKind.GROUP else set()
    group = _key(row.id, "group")
    told, together = [], []
    for lead in await people.with_roles(session, _LEADING):
        if lead.id == row.person_id:
            continue
        key = _key(row.id, lead.id)
        if key in sent or (group in sent and lead.id in here):
            told.append(lead.name)
            continue
        chosen, language = Preferences.of(lead.notify), lead.language or asked.language
        place = None
        if lead.id in here and chosen.place is None:
            together.append(chosen)
            told.append(lead.name)
        elif alone := await people.private_chat(session, lead.id, asked.platform):
            place = Place(*alone)
        # Where they are told together only their own address is left to be told.
        if await notices.tell(session, lead, place, language, key, ASKED, {"approval": row.id}):
            told.append(lead.name)
    if together:
        payload = {"approval": row.id}
        notice = notices.entry(asked.place, asked.language, group, "push", ASKED, payload, reply_to=asked.request)
        # It rings for all of them, as soon as one may be rung.
        notice.due_at = min(chosen.quiet.until(notice.due_at) if chosen.quiet else notice.due_at for chosen in together)
        await outbox.add(session, notice)
    return tuple(told)


async def approve(session: AsyncSession, number: int, by: Member, job: Job) -> None:
    """It became this job, in the transaction that makes the job. Raises ``UserError`` if another was first."""
    row = await _decide(session, number, by, APPROVED, job)
    payload = {"approval": number, "job": job.id}
    await notices.edit(session, job, f"approval:{number}:card", "job", {"job": job.id})
    await notices.push(session, job, f"approval:{number}:outcome", OUTCOME, payload)
    await _show_decided(session, row)


async def arrived(session: AsyncSession, row: OutboxRow, ref: MessageRef) -> None:
    """A lead's notice became a message. If it was decided while that was on its way, the message has to say so."""
    found = await ledger.approval(session, row.payload["approval"], locked=True)
    if found is not None and found.state != PENDING:
        await _revise(session, row, ref.id)


class Approvals:
    """What waits, and what leads decide. ``wake``: something was put into the outbox."""

    def __init__(self, database: Database, wake: Callable[[], None] = lambda: None) -> None:
        self._database = database
        self._wake = wake

    async def look(self) -> None:
        """Tell those who became leads, or can be reached, since it was asked."""
        async with self._database.transaction() as session:
            for row in await ledger.pending(session):
                await tell_leads(session, row)

    async def waiting(self) -> list[Approval]:
        """Runs that wait for a lead, oldest first."""
        async with self._database.transaction() as session:
            return list(await ledger.pending(session))

    async def get(self, number: int) -> tuple[Approval, str, str]:
        """One of them, whoever asked and whoever decided. Raises ``UserError`` if there is none."""
        async with self._database.transaction() as session:
            row = await ledger.approval(session, number)
            if row is None:
                raise UserError("approval_unknown", n=number)
            return row, await _name(session, row.person_id), await _name(session, row.decided_by)

    async def waits(self, number: int) -> Approval:
        """One that waits. Raises ``UserError``, which says who decided if somebody has."""
        async with self._database.transaction() as session:
            row = await ledger.approval(session, number)
            if row is None:
                raise UserError("approval_unknown", n=number)
            if row.state != PENDING:
                raise await _decided(session, row)
        return row

    async def refuse(self, number: int, by: Member) -> None:
        """A lead says no; whoever asked is told. Raises ``UserError`` if another was first."""
        async with self._database.transaction() as session:
            row = await _decide(session, number, by, REFUSED)
            asked, payload = Asked(**row.request), {"approval": number}
            if asked.card is not None:
                key = f"approval:{number}:card"
                edit = notices.entry(asked.place, asked.language, key, "edit", OUTCOME, payload, message=asked.card)
                await outbox.add(session, edit)
            person = await people.get(session, row.person_id)
            assert person is not None
            key = f"approval:{number}:outcome"
            await notices.tell(
                session, person, asked.place, asked.language, key, OUTCOME, payload, reply_to=asked.request
            )
            await _show_decided(session, row)
        self._wake()

    async def withdraw(self, number: int, by: Member) -> None:
        """Whoever asked does not wish it any more. Raises ``UserError`` if it was decided, or is somebody else's."""
        async with self._database.transaction() as session:
            row = await _decide(session, number, by, WITHDRAWN)
            await _show_decided(session, row)
        self._wake()

    def wake(self) -> None:
        """Something was decided elsewhere."""
        self._wake()


async def _decide(session: AsyncSession, number: int, by: Member, state: str, job: Job | None = None) -> Approval:
    row = await ledger.approval(session, number, locked=True)
    if row is None:
        raise UserError("approval_unknown", n=number)
    if (row.person_id == by.id) != (state == WITHDRAWN):
        # Nobody decides on their own, and nobody takes back another's.
        raise UserError("approval_foreign" if state == WITHDRAWN else "approval_own", n=number)
    if not await ledger.decide(session, number, state, by.id, job.id if job else None):
        await session.refresh(row)
        raise await _decided(session, row)
    return row


async def _decided(session: AsyncSession, row: Approval) -> UserError:
    name = await _name(session, row.decided_by)
    return UserError(f"approval_{row.state}", n=row.id, name=name, job=f"/job_{row.job_id}")


async def _name(session: AsyncSession, person_id: int | None) -> str:
    person = await people.get(session, person_id) if person_id is not None else None
    return person.name if person else "?"


async def _show_decided(session: AsyncSession, row: Approval) -> None:
    """Every message that offers to decide says who has; what was not sent yet is not sent any more."""
    for entry in await outbox.about(session, _key(row.id)):
        if entry.kind == "push" and entry.message is not None:
            await _revise(session, entry, entry.message)
        elif entry.kind == "push":
            await outbox.withdraw(session, entry.key)


async def _revise(session: AsyncSession, row: OutboxRow, message: str) -> None:
    place = Place(row.platform, row.chat, row.thread, PlaceKind(row.place_kind))
    key = f"{row.key}:decided"
    await outbox.add(
        session, notices.entry(place, row.language, key, "edit", row.subject, row.payload, message=message)
    )


def _key(number: int, lead: int | str = "") -> str:
    return f"approval:{number}:lead:{lead}"
