"""Intake, claims, crashes, expiry and replays in any order, against a model of what must hold.

Processes come, stall, are given up and come back; the rows are real, on a real database. ``TUNETELLER_STEPS`` makes
it longer (``make nightly`` takes 10,000).
"""

import asyncio
import os
import secrets
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import asyncpg
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import delete, select, update

from finetune.jobs import TRANSITIONS, InvalidTransition, JobState
from storage.clock import now
from storage.database import Database
from storage.repositories import jobs, leases, outbox, updates
from storage.repositories.leases import Hold, LeaseLost, chat_lease
from storage.tables import Job, JobEvent, Lease, OutboxRow, Replica, UpdateRow
from tests.storage.test_repositories import make_job, notice

STEPS = int(os.environ.get("TUNETELLER_STEPS", "600"))
_A_RUN = 60
REPLICAS = ("a", "b", "c")
CHATS = ("x", "y")
LONG = 600.0


@pytest.fixture(params=["sqlite", "postgresql"])
def machine_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind, for a test that has a loop of its own."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
        return
    folder = request.getfixturevalue("postgres_folder")
    name = f"t{secrets.token_hex(6)}"

    async def administer(statement: str) -> None:
        admin = await asyncpg.connect(host=str(folder), user="postgres", database="postgres")
        await admin.execute(statement)
        await admin.close()

    asyncio.run(administer(f"CREATE DATABASE {name}"))
    yield f"postgresql://postgres@/{name}?host={folder}"
    asyncio.run(administer(f"DROP DATABASE {name} WITH (FORCE)"))


replicas = st.sampled_from(REPLICAS)
chats = st.sampled_from(CHATS)


@dataclass
class Push:
    """A push as the model knows it. ``sent``: how often the platform got it."""

    id: int
    chat: str
    state: str = "pending"
    by: str = ""
    sent: int = 0


@dataclass
class Truth:
    """What must hold, in plain Python."""

    alive: set[str] = field(default_factory=set)
    owners: dict[str, str] = field(default_factory=dict)
    seen: dict[str, str] = field(default_factory=dict)
    handled: dict[str, int] = field(default_factory=dict)
    pushes: list[Push] = field(default_factory=list)
    jobs: dict[str, tuple[int, JobState]] = field(default_factory=dict)

    def owner(self, chat: str) -> str | None:
        """The living process that has a chat."""
        found = self.owners.get(chat)
        return found if found in self.alive else None


class Machine(RuleBasedStateMachine):
    """One database, three processes, two chats."""

    database: ClassVar[Database]
    loop: ClassVar[asyncio.AbstractEventLoop]

    def __init__(self) -> None:
        super().__init__()
        self.truth = Truth()
        self.number = 0

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run what is asynchronous."""
        return self.loop.run_until_complete(work)

    @initialize()
    def begin(self) -> None:
        async def clear() -> None:
            async with self.database.transaction() as session:
                for table in (Lease, Replica, OutboxRow, UpdateRow, JobEvent, Job):
                    await session.execute(delete(table))

        self.do(clear())

    @rule(replica=replicas)
    def starts(self, replica: str) -> None:
        """A process begins, perhaps in the place of one of the same name."""

        async def start() -> None:
            async with self.database.transaction() as session:
                await leases.enlist(session, replica, LONG)

        self.do(start())
        self.truth.alive.add(replica)
        self.truth.owners = {chat: owner for chat, owner in self.truth.owners.items() if owner != replica}

    @rule(replica=replicas)
    def falls_silent(self, replica: str) -> None:
        """It does not say that it lives for too long: it crashed, or it stalls."""

        async def expire() -> None:
            async with self.database.transaction() as session:
                past = leases._clock(session, -1.0)
                await session.execute(update(Replica).where(Replica.id == replica).values(until=past))

        self.do(expire())
        self.truth.alive.discard(replica)

    @rule(replica=replicas)
    def renews(self, replica: str) -> None:
        """Only who was not given up goes on."""

        async def renew() -> bool:
            async with self.database.transaction() as session:
                return await leases.renew(session, replica, LONG)

        assert self.do(renew()) == (replica in self.truth.alive)

    @rule(replica=replicas, chat=chats)
    def claims(self, replica: str, chat: str) -> None:
        """Whoever gets a chat ends what a dead one left there."""

        async def take() -> Hold:
            async with self.database.transaction() as session:
                found = await leases.take(session, chat_lease("web", chat), replica)
                if found is Hold.TAKEN:
                    for row in await outbox.left_sending(session, "web", chat):
                        await outbox.settle(session, row.id, "unknown")
                return found

        if replica not in self.truth.alive:
            return
        owner = self.truth.owner(chat)
        expected = Hold.HELD if owner == replica else Hold.ELSEWHERE if owner else Hold.TAKEN
        # A lease of one's own that nobody took meanwhile is still one's own.
        if self.truth.owners.get(chat) == replica:
            expected = Hold.HELD
        assert self.do(take()) is expected
        if expected is Hold.TAKEN:
            self.truth.owners[chat] = replica
            for push in self.truth.pushes:
                if push.chat == chat and push.state == "sending":
                    push.state = "unknown"

    @rule(replica=replicas, chat=chats)
    def gives_back(self, replica: str, chat: str) -> None:
        """Only its owner can."""

        async def release() -> None:
            async with self.database.transaction() as session:
                await leases.release(session, [chat_lease("web", chat)], replica)

        self.do(release())
        if self.truth.owners.get(chat) == replica:
            del self.truth.owners[chat]

    @rule(replica=replicas, chat=chats)
    def stores_under_its_lease(self, replica: str, chat: str) -> None:
        """A process that lost its lease stores nothing, whatever it believes."""

        async def store() -> bool:
            try:
                async with self.database.transaction() as session:
                    await updates.add(session, "web", f"guarded-{self.number}", chat, "message {}")
                    await leases.guard(session, chat_lease("web", chat), replica)
            except LeaseLost:
                return False
            return True

        self.number += 1
        stored = self.do(store())
        assert stored == (self.truth.owners.get(chat) == replica)
        if stored:
            self.truth.seen[f"guarded-{self.number}"] = chat

    @rule(update_id=st.integers(0, 30), chat=chats)
    def comes_in(self, update_id: int, chat: str) -> None:
        """The first time counts, however often it comes."""

        async def add() -> bool:
            async with self.database.transaction() as session:
                return await updates.add(session, "web", str(update_id), chat, "message {}")

        fresh = self.do(add())
        assert fresh == (str(update_id) not in self.truth.seen)
        self.truth.seen.setdefault(str(update_id), chat)

    @precondition(lambda self: self.truth.seen)
    @rule(data=st.data(), crashes=st.booleans())
    def handles(self, data: st.DataObject, crashes: bool) -> None:
        """Its effects are stored once; one that crashes before leaves it open."""
        update_id = data.draw(st.sampled_from(sorted(self.truth.seen)))

        async def handle() -> bool:
            async with self.database.transaction() as session:
                fresh = await updates.attempted(session, "web", update_id)
            if fresh and not crashes:
                async with self.database.transaction() as session:
                    await updates.handled(session, "web", update_id)
            return fresh

        fresh = self.do(handle())
        assert fresh == (update_id not in self.truth.handled)
        if fresh and not crashes:
            self.truth.handled[update_id] = 1

    @rule(key=st.integers(0, 20), chat=chats)
    def has_news(self, key: int, chat: str) -> None:
        """A fact is told by one push, however often it is found out."""

        async def add() -> int | None:
            async with self.database.transaction() as session:
                row = notice(f"push-{key}")
                row.chat = chat
                return row.id if await outbox.add(session, row) else None

        known = self.do(self._known(f"push-{key}"))
        number = self.do(add())
        assert (number is None) == known
        if number is not None:
            self.truth.pushes.append(Push(number, chat))

    async def _known(self, key: str) -> bool:
        async with self.database.transaction() as session:
            return await session.scalar(select(OutboxRow.id).where(OutboxRow.key == key)) is not None

    @precondition(lambda self: self.truth.pushes)
    @rule(data=st.data(), replica=replicas, outcome=st.sampled_from(("sent", "unknown", "refused early", "crash")))
    def sends(self, data: st.DataObject, replica: str, outcome: str) -> None:
        """A process sends what is due in a chat that it has, or that nobody has (and is about to take)."""
        push = data.draw(st.sampled_from(self.truth.pushes))

        async def due() -> bool:
            async with self.database.transaction() as session:
                return push.id in [row.id for row in await outbox.due(session, 100, replica)]

        owner = self.truth.owner(push.chat)
        is_due = push.state == "pending" and owner in (None, replica)
        assert self.do(due()) == is_due
        if not is_due or owner != replica:
            return

        async def begin() -> bool:
            async with self.database.transaction() as session:
                return await outbox.begin(session, push.id)

        assert self.do(begin())
        assert not self.do(begin()), "it is begun once"
        push.state, push.by = "sending", replica
        if outcome == "crash":
            push.sent += 1  # the platform may have taken it
            self.falls_silent(replica)
            return
        if outcome == "refused early":
            self.do(self._settle(push, None))
            push.state = "pending"
            return
        push.sent += 1
        self.do(self._settle(push, outcome))
        push.state = outcome

    async def _settle(self, push: Push, outcome: str | None) -> None:
        async with self.database.transaction() as session:
            if outcome is None:
                await outbox.postpone(session, push.id, now())
            else:
                await outbox.settle(session, push.id, outcome)

    @precondition(lambda self: any(push.state == "unknown" and push.by for push in self.truth.pushes))
    @rule(data=st.data(), late=st.sampled_from(("sent", None)))
    def a_stalled_one_comes_back(self, data: st.DataObject, late: str | None) -> None:
        """It knows what became of its push after another held it for unknown. "Again" does no harm any more."""
        push = data.draw(st.sampled_from([each for each in self.truth.pushes if each.state == "unknown"]))
        self.do(self._settle(push, late))
        if late == "sent":
            push.state = "sent"

    @rule(intent=st.integers(0, 5))
    def wants_a_job(self, intent: int) -> None:
        """The same intent is the same job, whatever became of it."""
        job = self.do(make_job(self.database, f"job-{intent}"))
        known = self.truth.jobs.setdefault(f"job-{intent}", (job.id, JobState.QUEUED))
        assert (job.id, job.state) == (known[0], known[1].value)

    @precondition(lambda self: self.truth.jobs)
    @rule(
        data=st.data(),
        believed=st.sampled_from(JobState),
        after=st.sampled_from(JobState),
    )
    def moves_a_job(self, data: st.DataObject, believed: JobState, after: JobState) -> None:
        """Only from where it is, and only where its life leads; whoever believes an older state changes nothing."""
        key = data.draw(st.sampled_from(sorted(self.truth.jobs)))
        number, state = self.truth.jobs[key]

        async def move() -> bool:
            async with self.database.transaction() as session:
                return await jobs.move(session, number, believed, after, "word")

        if believed is not after and after not in TRANSITIONS[believed]:
            with pytest.raises(InvalidTransition):
                self.do(move())
            return
        assert self.do(move()) == (state is believed)
        if state is believed:
            self.truth.jobs[key] = (number, after)

    @invariant()
    def nothing_is_sent_twice(self) -> None:
        assert all(push.sent <= 1 for push in self.truth.pushes)

    @invariant()
    def nothing_is_lost(self) -> None:
        async def found() -> tuple[set[str], dict[int, str]]:
            async with self.database.transaction() as session:
                states = {row.id: row.state for row in await session.scalars(select(OutboxRow))}
                return {id_ for _, _, id_ in await updates.open_events(session, "nobody")}, states

        open_, states = self.do(found())
        expected = {
            id_
            for id_, chat in self.truth.seen.items()
            if id_ not in self.truth.handled and self.truth.owner(chat) is None
        }
        assert open_ == expected
        assert states == {push.id: push.state for push in self.truth.pushes}


@pytest.mark.timeout(3600)
def test_any_order_of_steps(machine_url: str) -> None:
    loop = asyncio.new_event_loop()
    Machine.loop, Machine.database = loop, Database(machine_url)
    loop.run_until_complete(Machine.database.migrate())
    try:
        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=max(1, STEPS // _A_RUN),
                stateful_step_count=_A_RUN,
                deadline=None,
                suppress_health_check=list(HealthCheck),
            ),
        )
    finally:
        loop.run_until_complete(Machine.database.close())
        loop.close()
