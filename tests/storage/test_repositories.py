"""Jobs, outbox, updates, buttons, web messages: what is asked of the tables, on both databases."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert, select

from finetune.jobs import InvalidTransition, JobState
from storage.clock import now
from storage.database import Database
from storage.repositories import (
    buttons,
    chats,
    conversations,
    datasets,
    feedback,
    jobs,
    messages,
    models,
    outbox,
    people,
    shares,
    updates,
)
from storage.repositories.datasets import Content
from storage.tables import Job, OutboxRow, Person, Turn


def content(source: str = "a" * 64, **values: Any) -> Content:
    """What a version is made of."""
    return Content(
        **{"source": source, "canonical": "b" * 64, "file_name": "f", "reading": None, "report": {}, **values}
    )


async def make_job(database: Database, key: str = "job-1", **values: Any) -> Job:
    async with database.transaction() as session:
        person = await people.create(session, "Ann", "trainer", None)
        _, version = await datasets.create(session, person.id, "set", content())
        job = Job(
            **{
                "key": key,
                "person_id": person.id,
                "language": "en",
                "platform": "web",
                "chat": "room",
                "thread": "",
                "place_kind": "private",
                "dataset_version_id": version.id,
                "provider": "local",
                "base": "base",
                "preset": "standard",
                "name": "set",
                "seed": 1,
                "validation_share": 0.1,
                "hyperparameters": {},
                "line": "/train",
                "plan": {},
                "state": "queued",
                "word": "",
                "progress": {},
                "created_at": now(),
                **values,
            }
        )
        return (await jobs.create(session, job))[0]


async def test_one_intent_is_one_job(database: Database) -> None:
    first = await make_job(database)
    second = await make_job(database)
    assert first.id == second.id


async def test_a_job_moves_once(database: Database) -> None:
    job = await make_job(database)

    async def move() -> bool:
        async with database.transaction() as session:
            return await jobs.move(session, job.id, JobState.QUEUED, JobState.RUNNING, "go")

    assert sorted(await asyncio.gather(*(move() for _ in range(4)))) == [False, False, False, True]
    async with database.transaction() as session:
        assert [event.state for event in await jobs.events(session, job.id)] == ["queued", "running"]


async def test_an_ended_job_never_moves(database: Database) -> None:
    job = await make_job(database)
    async with database.transaction() as session:
        assert await jobs.move(session, job.id, JobState.QUEUED, JobState.CANCELLED, "")
        with pytest.raises(InvalidTransition):
            await jobs.move(session, job.id, JobState.CANCELLED, JobState.RUNNING, "")


async def test_the_queue_counts_what_is_before(database: Database) -> None:
    first, second = await make_job(database, "a"), await make_job(database, "b")
    async with database.transaction() as session:
        assert await jobs.before(session, first) == []
        assert [job.id for job in await jobs.before(session, second)] == [first.id]


async def test_versions_of_models_count_up_and_a_job_makes_one(database: Database) -> None:
    first, second = await make_job(database, "a"), await make_job(database, "b")
    facts: dict[str, Any] = {
        "system_prompt": "",
        "sampling": {},
        "validation_before": None,
        "validation_after": None,
    }
    async with database.transaction() as session:
        one = await models.create(session, first, "m1", **facts)
        again = await models.create(session, first, "m1", **facts)
        two = await models.create(session, second, "m2", **facts)
    assert (one.version, again.version, two.version) == (1, 1, 2)


async def test_the_alias_remembers_the_way_back(database: Database) -> None:
    job = await make_job(database)
    async with database.transaction() as session:
        made = await models.create(
            session, job, "m", system_prompt="", sampling={}, validation_before=None, validation_after=None
        )
        await models.point(session, made.id, None)
        alias = await models.point(session, None, None)
    assert (alias.model_id, alias.former_id) == (None, made.id)


def notice(key: str) -> OutboxRow:
    return OutboxRow(
        key=key,
        kind="push",
        subject="done",
        platform="web",
        chat="room",
        thread="",
        place_kind="private",
        language="en",
        payload={},
        state="pending",
        due_at=now(),
        created_at=now(),
    )


async def test_a_notice_is_stored_once_and_begun_once(database: Database) -> None:
    async with database.transaction() as session:
        assert await outbox.add(session, notice("k"))
        assert not await outbox.add(session, notice("k"))
        row = (await outbox.due(session, 10))[0]

    async def begin() -> bool:
        async with database.transaction() as session:
            return await outbox.begin(session, row.id)

    assert sorted(await asyncio.gather(*(begin() for _ in range(4)))) == [False, False, False, True]
    async with database.transaction() as session:
        assert [row.key for row in await outbox.left_sending(session, "web", "room")] == ["k"]
        assert await outbox.due(session, 10) == []


async def test_a_chat_that_moved_takes_no_message_numbers_along(database: Database) -> None:
    await make_job(database, card_message="7", request_message="5")
    async with database.transaction() as session:
        for key, kind, state, message, reply_to in (
            ("edit", "edit", "pending", "7", None),
            ("sign", "sign", "sending", "5", None),
            ("push", "push", "pending", None, "5"),
            ("sent", "push", "sent", "9", "5"),
        ):
            row = notice(key)
            row.kind, row.state, row.message, row.reply_to = kind, state, message, reply_to
            await outbox.add(session, row)
        await chats.move(session, "web", "room", "other room")
    async with database.reading() as session:
        rows = {row.key: row for row in await session.scalars(select(OutboxRow))}
        job = (await session.scalars(select(Job))).one()
    assert {(row.chat, row.message, row.reply_to) for row in rows.values()} == {("other room", None, None)}
    assert {key: row.state for key, row in rows.items()} == {
        "edit": "withdrawn",
        "sign": "withdrawn",
        "push": "pending",
        "sent": "sent",
    }
    assert (job.chat, job.card_message, job.request_message) == ("other room", None, None)


async def test_a_notice_in_hand_is_not_given_again(database: Database) -> None:
    async with database.transaction() as session:
        await outbox.add(session, notice("k"))
        row = (await outbox.due(session, 10))[0]
        assert await outbox.due(session, 10, without=[row.id]) == []


async def test_a_postponed_notice_waits(database: Database) -> None:
    async with database.transaction() as session:
        await outbox.add(session, notice("k"))
        row = (await outbox.due(session, 1))[0]
        await outbox.begin(session, row.id)
        await outbox.postpone(session, row.id, now() + timedelta(hours=1))
        assert await outbox.due(session, 1) == []


async def test_an_update_is_taken_once(database: Database) -> None:
    async with database.transaction() as session:
        assert await updates.add(session, "telegram", "1", "7", "message {}")
        assert not await updates.add(session, "telegram", "1", "7", "message {}")
        assert await updates.add(session, "web", "1", "7", "message {}")
        assert len(await updates.open_events(session, "one")) == 2
        assert await updates.attempted(session, "telegram", "1")
        await updates.handled(session, "telegram", "1", {"text": "done"})
        assert await updates.open_events(session, "one") == [("web", "7", "1")]
        assert await updates.state(session, "telegram", "1") == (True, {"text": "done"})
        assert not await updates.attempted(session, "telegram", "1"), "what is handled is not handled again"


async def test_a_one_time_button_works_once(database: Database) -> None:
    key: dict[str, Any] = {"token": "t", "action": "a", "payload": {}, "person_id": None, "once": True}
    async with database.transaction() as session:
        await buttons.keep(session, [key])
        await buttons.keep(session, [key])

    async def use() -> bool:
        async with database.transaction() as session:
            return await buttons.use(session, "t")

    assert sorted(await asyncio.gather(use(), use(), use())) == [False, False, True]


async def test_web_messages_are_found_by_revision(database: Database) -> None:
    async with database.transaction() as session:
        first = await messages.append(session, "room", "bot", {"v": 1}, "k1")
        again = await messages.append(session, "room", "bot", {"v": 9}, "k1")
        second = await messages.append(session, "room", "bot", {"v": 2}, "k2")
        assert again.id == first.id
        assert again.body == {"v": 1}
        seen = second.revision
        await messages.revise(session, "room", first.id, {"v": 3})
        assert [row.body for row in await messages.since(session, "room", seen, 10)] == [{"v": 3}]
        assert [row.id for row in await messages.latest(session, "room", second.id, 10)] == [first.id]
        with pytest.raises(KeyError):
            await messages.revise(session, "another", first.id, {})


async def test_concurrent_web_messages_get_different_revisions(database: Database) -> None:
    async def add(number: int) -> int:
        async with database.transaction() as session:
            return (await messages.append(session, "room", "bot", {}, f"k{number}")).revision

    async with database.transaction() as session:
        await messages.append(session, "room", "bot", {}, "first")
    revisions = await asyncio.gather(*(add(number) for number in range(8)))
    assert len(set(revisions)) == 8


async def test_whoever_said_a_great_deal_is_forgotten_too(database: Database) -> None:
    """More turns than a statement may have values."""
    async with database.transaction() as session:
        person = await people.create(session, "Ann", "user", None)
        talk = await conversations.at(session, "web", "room-1", "", "private")
        fields = {"conversation_id": talk.id, "person_id": person.id, "language": "en", "role": "user", "text": "x"}
        row = {**fields, "state": "answered", "created_at": now(), "owed": False}
        await session.execute(insert(Turn), [row] * 40_000)
        assert await conversations.forget(session, person.id) == 40_000
        # The last number is kept, and nothing else of it.
        assert list(await session.scalars(select(Turn.text))) == [""]
        later = await conversations.add(session, talk.id, "user", "new", "waiting", language="en")
        assert later.id == 40_001


async def test_forgetting_takes_question_and_answer(database: Database) -> None:
    async with database.transaction() as session:
        person = await people.create(session, "Ann", "user", None)
        talk = await conversations.at(session, "web", "room", "", "private")
        asked = await conversations.add(
            session, talk.id, "user", "secret", "answered", person_id=person.id, language="en"
        )
        await conversations.add(session, talk.id, "assistant", "reply", "done", language="en", answer_to=asked.id)
        assert len(await conversations.said_by(session, person.id)) == 2
        assert await conversations.forget(session, person.id) == 2
        assert await conversations.said_by(session, person.id) == []


async def test_an_answer_to_several_people_is_everybodys(database: Database) -> None:
    """In what each is given, in what is forgotten with whom, and in how many a model answered."""
    async with database.transaction() as session:
        ann, ben, eve = [await people.create(session, name, "user", None) for name in ("Ann", "Ben", "Eve")]
        talk = await conversations.at(session, "web", "room", "", "group")

        async def ask(person: Person, text: str, state: str = "answered") -> Turn:
            fields = {"person_id": person.id, "language": "en"}
            return await conversations.add(session, talk.id, "user", text, state, **fields)

        async def answer(text: str, *asked: Turn) -> Turn:
            for question in asked:
                await conversations.revise(session, question.id, answered_with=asked[-1].id)
            fields = {"language": "en", "answer_to": asked[-1].id, "model": "v1"}
            return await conversations.add(session, talk.id, "assistant", text, "done", **fields)

        await answer("hello", await ask(eve, "hi"))
        one, two = await ask(ann, "one"), await ask(ben, "two")
        both = await answer("both", one, two)
        waits = await ask(eve, "meanwhile")
        await answer("rest of both", one, two)
        later = await answer("later", waits)
        await ask(ann, "not yet", "waiting")
        for person in (ann, eve):
            await feedback.rate(session, both.id, person.id, 1, f"press of {person.name}")

        async def given(person: Person) -> list[str]:
            return [turn.text for turn in await conversations.said_by(session, person.id)]

        assert [turn.text for turn in await conversations.questions(session, both)] == ["one", "two"]
        assert await given(ann) == ["one", "both", "rest of both", "not yet"]
        assert await given(ben) == ["two", "both", "rest of both"]
        assert await given(eve) == ["hi", "hello", "meanwhile", "later"]
        assert await models.users(session, "v1") == 3
        await feedback.forget(session, ann.id)
        assert await conversations.forget(session, ann.id) == 4
        assert await given(ann) == []
        assert await given(ben) == ["two"]
        assert await given(eve) == ["hi", "hello", "meanwhile", "later"]
        # What was answered with the forgotten is not taken for a part of the next question.
        assert [turn.text for turn in await conversations.questions(session, later)] == ["meanwhile"]


async def test_versions_count_up_and_the_same_bytes_are_one(database: Database) -> None:
    async with database.transaction() as session:
        person = await people.create(session, "Ann", "trainer", None)
        dataset, first = await datasets.create(session, person.id, "set", content())
        second = await datasets.add_version(session, dataset, content("c" * 64, made_from=1, changes={"x": 1}))
        again = await datasets.add_version(session, dataset, content("c" * 64, made_from=1))
        read = await datasets.add_version(session, dataset, content("a" * 64, reading="other"))
        back = await datasets.add_version(session, dataset, content())
    assert [version.number for version in (first, second, again, read, back)] == [1, 2, 2, 3, 1]
    async with database.transaction() as session:
        stored = await datasets.get(session, dataset.id)
        assert stored is not None
        assert stored.current == 1
        await datasets.set_current(session, dataset.id, 2)
    async with database.transaction() as session:
        stored = await datasets.get(session, dataset.id)
        assert stored is not None
        assert (await datasets.current(session, [stored]))[stored.id].changes == {"x": 1}
        assert [version.number for version in await datasets.versions(session, stored.id)] == [1, 2, 3]
        await datasets.set_measures(session, second.id, {"rows": 3})
    async with database.transaction() as session:
        assert (await datasets.version(session, second.id))[1].measures == {"rows": 3}


async def test_a_listing_has_what_a_person_may_see(database: Database) -> None:
    async with database.transaction() as session:
        ann, bob = [await people.create(session, name, "trainer", None) for name in ("Ann", "Bob")]
        mine, named, team, _ = [
            (await datasets.create(session, owner, name, content()))[0]
            for owner, name in ((bob.id, "mine"), (ann.id, "named"), (ann.id, "team"), (ann.id, "hidden"))
        ]
        await shares.put(session, named.id, bob.id, "read")
        await shares.put(session, named.id, bob.id, "train")
        await shares.put(session, team.id, None, "edit")
    async with database.transaction() as session:
        seen = [dataset.name for dataset in await datasets.listing(session, bob.id, 10)]
        assert seen == ["team", "named", "mine"]
        assert len(await datasets.listing(session, None, 10)) == 4
        assert await shares.rights(session, named.id, bob.id) == ["train"]
        assert await shares.rights(session, mine.id, ann.id) == []
        await shares.take_all(session, named.id)
        await shares.take(session, team.id, None)
    async with database.transaction() as session:
        assert [dataset.name for dataset in await datasets.listing(session, bob.id, 10)] == ["mine"]


async def test_what_depends_on_a_dataset(database: Database) -> None:
    job = await make_job(database)
    async with database.transaction() as session:
        dataset, _ = await datasets.version(session, job.dataset_version_id)
        assert await datasets.depending(session, dataset.id) == (1, [])
        assert await datasets.depending(session, dataset.id + 1) == (0, [])


async def test_versions_that_come_at_once_get_different_numbers(database: Database) -> None:
    async with database.transaction() as session:
        person = await people.create(session, "Ann", "trainer", None)
        dataset, _ = await datasets.create(session, person.id, "set", content())

    async def add(number: int) -> int:
        async with database.transaction() as session:
            found = await datasets.get(session, dataset.id)
            assert found is not None
            return (await datasets.add_version(session, found, content(f"{number}" * 64))).number

    assert sorted(await asyncio.gather(*(add(number) for number in range(6)))) == [2, 3, 4, 5, 6, 7]
