"""Who did what when: from the rows that are there, in pages, for those who lead."""

import csv
import io
import json
from datetime import timedelta

import pytest

from bot.cards.audit import page
from bot.chat.content import Card, Items
from bot.chat.events import Ack
from bot.chat.keypad import Keypad
from bot.locales import translator
from bot.services.access import Role
from bot.services.audit import LAST, SIZE, Audit
from bot.services.money import Amount
from bot.services.sharing import Right
from bot.services.trials import RETURNED
from storage.clock import now
from storage.database import Database
from storage.repositories import ledger, people, releases
from storage.repositories.audit import Act, record
from storage.tables import Approval, BudgetRow, Code, Linked, Review
from tests.services.world import World
from tests.storage.test_repositories import make_job


def pages(world: World) -> list[Card]:
    return [card for card in world.chats.cards() if card.title.startswith("Who did what when")]


def lines(card: Card) -> list[str]:
    return [str(line) for block in card.blocks if isinstance(block, Items) for line in block.items]


async def test_it_tells_who_did_what(world: World) -> None:
    ann = await world.owner()
    await ann.says("/audit")
    await world.chats.until(lambda: pages(world))
    await world.running(ann)
    await ann.says("/budget team 15 CNY")
    await world.chats.until(lambda: "Team: 15.00 CNY" in world.chats.text())
    await ann.says("/cost 1 2 CNY")
    await world.chats.until(lambda: "Job 1" in world.chats.text())
    await ann.says("/audit")
    await world.chats.until(lambda: len(pages(world)) == 2)
    told = [line.split(" · ", 1)[1] for line in lines(pages(world)[-1])]
    assert told == [
        "Ann · told that /job_1 cost 2.00 CNY",
        "Ann · set the limit of the team to 15.00 CNY",
        "Ann · started /job_1 teller at scripted",
        "Ann · made the dataset /ds_1 teller",
        "Ann · came in with the owner's code as admin",
    ]


async def test_it_tells_what_no_other_row_does(world: World) -> None:
    ann = await world.owner()
    bob = await world.joined("bob", Role.TRAINER)
    await world.uploaded(ann)
    for words in (
        "/invite lead",
        "/grant 2 lead",
        "/grant 2 lead",
        "/share 1 team train",
        "/share 1 bob edit",
        "/share 1 off",
        "/backup",
        "/revoke 2",
    ):
        shown = len(world.chats.cards())
        await ann.says(words)
        await world.chats.until(lambda: len(world.chats.cards()) > shown)  # noqa: B023
    await ann.says("/audit")
    await world.chats.until(lambda: pages(world))
    told = [line.split(" · ", 1)[1] for line in lines(pages(world)[-1])]
    assert told[1].startswith("Ann · made the backup tuneteller-")
    assert [each for each in told if "backup" not in each and "came in" not in each] == [
        "Ann · shut Bob out (was lead)",
        "Ann · shares /ds_1 with nobody any more",
        "Ann · let Bob edit /ds_1",
        "Ann · let the whole team train on /ds_1",
        "Ann · made Bob lead (was trainer)",
        "Ann · made an invite as lead",
        "Ann · made the dataset /ds_1 teller",
        "not recorded · made an invite as trainer",
    ]
    before = pages(world)[-1]
    answer = await bob.presses("As a table")
    assert isinstance(answer, Ack)
    assert answer.alert, "whoever was shut out gets nothing"
    assert pages(world)[-1] == before
    await ann.presses("As a table")
    await world.chats.until(lambda: any(card.attachments and card.attachments[0].name == "audit.csv"
                                        for card in world.chats.cards()))  # fmt: skip
    (file,) = [card.attachments[0] for card in world.chats.cards() if card.attachments]
    rows = list(csv.DictReader(io.StringIO(file.data.decode("utf-8-sig"))))
    assert [row["kind"] for row in rows[:3]] == ["role", "backup", "share"]
    assert json.loads(rows[0]["facts"]) == {"subject": 2, "before": "lead", "after": "guest"}
    assert (rows[0]["person_id"], rows[0]["person"]) == ("1", "Ann")


async def test_a_name_is_no_formula_in_the_table(sqlite: Database) -> None:
    async with sqlite.transaction() as session:
        cid = await people.create(session, "=HYPERLINK(1)", "lead", None)
        await record(session, Act.INVITE, cid.id, role="user")
    (row,) = csv.DictReader(io.StringIO((await Audit(sqlite).table()).decode("utf-8-sig")))
    assert row["person"] == "'=HYPERLINK(1)"


async def test_in_pages(world: World) -> None:
    ann = await world.owner()
    assert world.app is not None
    member = await world.app.core.access.member(ann.account)
    for number in range(2 * SIZE + 1):
        await world.app.core.money.limit("team", Amount((number + 1) * 1_000_000, "CNY"), member)
    await ann.says("/audit")
    await world.chats.until(lambda: pages(world))
    seen = []
    for number in range(1, 4):
        await world.chats.until(lambda: f"page {number}" in pages(world)[-1].title)  # noqa: B023
        seen += lines(pages(world)[-1])
        if number < 3:
            await ann.presses("Older")
    assert len(seen) == len(set(seen)) == 2 * SIZE + 2
    assert not any(button.label == "Older" for row in pages(world)[-1].buttons for button in row)
    await ann.presses("Newer")
    await world.chats.until(lambda: "page 2" in pages(world)[-1].title)
    for wrong in ("0", "x", "51", "99999999999999999999", "٣"):
        before = world.chats.text().count("Like this: /audit")
        await ann.says(f"/audit {wrong}")
        await world.chats.until(lambda: world.chats.text().count("Like this: /audit") > before)  # noqa: B023


@pytest.mark.parametrize(("role", "may"), [(Role.USER, False), (Role.TRAINER, False), (Role.LEAD, True)])
async def test_who_may_read_it(world: World, role: Role, may: bool) -> None:
    ann = await world.owner()
    assert world.app is not None
    member = await world.app.core.access.member(ann.account)
    for _ in range(SIZE + 1):
        await world.app.core.money.limit("team", Amount(1_000_000, "CNY"), member)
    bob = await world.joined("bob", role)
    await bob.says("/audit")
    await world.chats.until(lambda: pages(world) if may else "This needs the role lead" in world.chats.text())
    assert bool(pages(world)) is may
    await ann.says("/audit")
    await world.chats.until(lambda: any(world.chats.places[number].chat == "ann" for number, card in
                                        world.chats.messages.items() if card in pages(world)))  # fmt: skip
    answer = await bob.presses("Older")
    assert (answer is not None and "This needs the role lead" in answer.text) is not may


@pytest.mark.parametrize("language", ["en", "zh"])
async def test_every_kind_has_its_sentence(database: Database, language: str) -> None:
    """On both databases, in both languages; a person who is gone is said to be gone."""
    job = await make_job(database)
    at = now()
    async with database.transaction() as session:
        cid = await people.create(session, "Cid", "lead", None)
        for state in ("pending", "approved", "refused", "withdrawn"):
            decided = state != "pending"
            session.add(
                Approval(
                    intent=state, person_id=job.person_id, run={}, request={}, estimate=None, state=state,
                    decided_by=cid.id if decided else None, decided_at=at if decided else None,
                    job_id=job.id if state == "approved" else None, created_at=at - timedelta(hours=1),
                )
            )  # fmt: skip
        for action in releases.ACTIONS:
            await releases.note(session, action, cid.id, model_id=None, reason="it is\nbetter", alias="poet")
        for reason in RETURNED:
            await releases.note(session, releases.ROLLED_BACK, None, model_id=None, reason=reason)
        for role in (Role.GUEST, Role.LEAD):
            await record(session, Act.ROLE, cid.id, subject=cid.id, before="user", after=role.word)
        for right in (*Right, None):
            whom = cid.id if right is Right.READ else None
            await record(session, Act.SHARE, None, dataset=1, whom=whom, right=right.word if right else None)
        others: dict[Act, dict[str, object]] = {
            Act.INVITE: {"role": "user"},
            Act.DELETED: {"dataset": 1, "name": "x"},
            Act.BACKUP: {"file": "x"},
            Act.EXPORT: {"version": 1},
        }
        assert {Act.ROLE, Act.SHARE, *others} == set(Act)
        for act, facts in others.items():
            await record(session, act, cid.id, **facts)
        for scope, micros in (("team", 5), ("approval", 5), (f"person:{cid.id}", None)):
            session.add(BudgetRow(scope=scope, currency="CNY", micros=micros, set_by=cid.id, set_at=at))
        for purpose in ("owner", "invite", "link"):
            session.add(
                Code(digest=purpose, purpose=purpose, role="lead", person_id=cid.id, created_at=at, spent_at=at)
            )
        session.add(Linked(former_id=99, person_id=cid.id, at=at))
        for state in ("accepted", "rejected"):
            session.add(Review(person_id=cid.id, state=state, created_at=at))
        await ledger.told(session, job, 5, "CNY", "told by person 4711")
    audit, t = Audit(database), translator(language)
    found = [await audit.page(number) for number in range(1, 6)]
    kinds = {entry.kind for one in found for entry in one.entries}
    assert kinds == {
        "job", "dataset", "approval.asked", "approval.approved", "approval.refused", "approval.withdrawn",
        *(f"release.{action}" for action in releases.ACTIONS), "release.canary_returned", "budget", "cost",
        "entered.owner", "entered.invite", "linked", "review.accepted", "review.rejected", *Act,
    }  # fmt: skip
    text = "\n".join(str(page(t, Keypad(b"key"), one)) for one in found)
    assert t("audit.gone") in text
    assert "it is better" in text
    assert "@poet" in text
    assert not (await audit.page(LAST)).entries
