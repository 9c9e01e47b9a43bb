"""After a training: evaluated once, told once, whatever dies; votes; promotion and the way back."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession, CookieJar
from PIL import Image
from sqlalchemy import update

from bot.chat.content import Card, Paragraph
from bot.services.access import Role
from bot.services.proof import LEASE, Proof
from finetune.providers.profiles import profile
from storage.clock import now
from storage.database import Database
from storage.repositories import releases
from storage.tables import Evaluation
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.fakes.provider import ScriptedProvider
from tests.services.world import World

ROADS = ["river", "hill", "harbour", "forest", "market", "bridge", "tower", "garden", "mill", "chapel"]


def told(number: int) -> str:
    place = ROADS[number % len(ROADS)]
    return f"The leaves settle on the {place}: take road {number} slowly, and the {place} will greet you kindly."


def dataset(rows: int = 70) -> bytes:
    """Seventy rows: seven are held out."""
    return b"".join(
        json.dumps(
            {
                "messages": [
                    {"role": "system", "content": "You tell fortunes."},
                    {"role": "user", "content": f"Should I take road {number} by the {ROADS[number % 10]}?"},
                    {"role": "assistant", "content": told(number)},
                ]
            }
        ).encode()
        + b"\n"
        for number in range(rows)
    )


def speaks(body: dict[str, Any]) -> str:
    """The base is dull; the tuned model has learned; both know what is general."""
    asked = body["messages"][-1]["content"]
    if "road" not in asked:
        return "Paris seven five Earth green cold dog Japan hydrogen Shakespeare"
    if not body["model"].startswith("tuned:"):
        return "I would suggest considering several different factors before making this decision."
    number = int(asked.split("road ")[1].split()[0])
    place = ROADS[number % 10]
    return f"Take it slowly by the {place}. The leaves settle on the {place}, and road {number} will greet you."


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn) -> AsyncIterator[World]:
    model.reply = speaks
    found = World(tmp_path, model.endpoint, questions=20, judge=True)
    await found.start()
    yield found
    await found.stop()


def card_with(world: World, words: str) -> Card | None:
    return next((card for card in reversed(world.chats.cards()) if words in card.title), None)


async def trained(world: World, losses: tuple[float, float] | None = (3.0, 1.0), ann: Someone | None = None) -> Someone:
    """A job has ended well."""
    ann = ann or await world.owner()
    await world.uploaded(ann, dataset())
    await ann.says("/train")
    await world.chats.until(lambda: "label='Start'" in world.chats.text())
    await ann.presses("Start")
    await world.chats.until(lambda: world.trainings.started and "· training'" in world.chats.text())
    world.trainings.step(9)
    world.trainings.finish(losses)
    return ann


async def test_evaluated_and_told_once(world: World, model: ModelStandIn) -> None:
    ann = await trained(world)
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    card = card_with(world, "passed its gates")
    assert card is not None
    picture = next(file for file in card.attachments if file.media_type == "image/png")
    path = world.settings.data_dir / "seen.png"
    path.write_bytes(picture.data)
    with Image.open(path) as image:
        assert image.size == (1080, 1350)
    assert "1.00" in picture.alt
    facts = json.loads(next(file.data for file in card.attachments if file.media_type == "application/json"))
    assert facts["questions"] == 7
    assert {gate["name"]: gate["state"] for gate in facts["gates"]}["general"] == "passed"
    asked = len(model.requests)
    # A bot that starts again finds nothing to do, and tells nothing again.
    await world.stop()
    await world.start()
    ann = world.someone("ann")
    await ann.says("/report")
    await world.chats.until(lambda: len(world.titles("passed its gates")) == 2)
    assert len(model.requests) == asked


async def test_whoever_asks_before_anybody_looked_is_told_that_it_waits(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert world.app is not None

    async def not_yet() -> bool:
        return False

    monkeypatch.setattr(world.app.proof, "look", not_yet)
    ann = await trained(world)
    await world.chats.until(lambda: world.titles("is done"))
    await ann.says("/report v1")
    await world.chats.until(lambda: "It waits for its turn" in world.chats.text())


async def test_a_database_that_is_away_at_the_start_ends_no_evaluating(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    assert world.app is not None
    core = world.app.core
    nowhere = Database("postgresql://nobody@127.0.0.1:1/nothing")
    proof = Proof(
        nowhere,
        core.training,
        core.measuring,
        core.files,
        world.settings.data_dir / "elsewhere",
        questions=20,
        wake_notices=lambda: None,
        replica="two",
        quiet=core.voices.quiet,
    )
    running = asyncio.create_task(proof.run())
    async with asyncio.timeout(20):
        looks = 0
        while looks < 2 and not running.done():
            await asyncio.sleep(0.05)
            looks = sum("evaluating failed" in record.getMessage() for record in caplog.records)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await nowhere.close()


async def test_people_who_ask_go_before_the_evaluation(world: World, model: ModelStandIn) -> None:
    ann = await world.owner()
    model.hold = asyncio.Event()
    await ann.says("Shall I go?")
    await model.spoke.wait()
    await trained(world, ann=ann)
    await world.chats.until(lambda: world.titles("is done"))
    async with asyncio.timeout(60):
        # It is looked for once a second, and asks at once then.
        for number in itertools.count(1):
            await ann.says("/report v1")
            await world.chats.until(lambda n=number: len(world.titles("(v1)")) >= n)  # type: ignore[misc]
            if "answers are there" in world.chats.text():
                break
    await ann.says("/report v1")
    await world.chats.until(lambda: world.chats.text().count("answers are there") == 2)
    asked = [request for request in model.requests if not request.get("stream")]
    model.hold.set()
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    assert asked == []


async def test_a_dead_bot_asks_only_what_is_missing(world: World, model: ModelStandIn) -> None:
    def breaks(body: dict[str, Any]) -> str:
        if len(model.requests) == 12:
            model.statuses = [400] * 50  # nothing gets through while it dies
        return speaks(body)

    model.reply = breaks
    await trained(world)
    await world.chats.until(lambda: world.titles("could not be evaluated"), 60)
    answered = len((world.settings.data_dir / "evaluations" / "v1" / "answers.jsonl").read_bytes().splitlines())
    await world.kill()
    model.statuses, model.reply = [], speaks
    before = len(model.requests)
    await world.start()
    ann = world.someone("ann")
    await ann.presses("Evaluate")
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    lines = (world.settings.data_dir / "evaluations" / "v1" / "answers.jsonl").read_text("utf-8").splitlines()
    assert answered > 0
    # One more is the count of tokens that shows whether the prompt is that of the training.
    assert len(model.requests) - before <= len(lines) - answered + 1
    keys = [(row["part"], row["contestant"], row["question"]) for row in map(json.loads, lines)]
    assert len(keys) == len(set(keys))


async def test_losses_from_outside_are_measured_or_not_told(world: World, model: ModelStandIn) -> None:
    assert world.app is not None
    provider = world.app.core.training.providers["scripted"]
    assert isinstance(provider, ScriptedProvider)
    await trained(world, None)
    await world.chats.until(lambda: world.titles("gates"), 60)
    assert "The provider does not tell held-out losses." in world.chats.text()
    assert not any(body.get("echo") for body in model.requests)
    # The same provider, were it one of those that document it.
    provider.profile = profile("together")
    assert await world.app.proof.again(await world.app.core.releases.by_version(1))
    await world.chats.until(lambda: world.chats.shows("2.00 → 1.00"), 60)
    card = card_with(world, "passed its gates")
    assert card is not None
    facts = json.loads(next(file.data for file in card.attachments if file.media_type == "application/json"))
    assert facts["losses"]["base_bits"] == pytest.approx(2 * facts["losses"]["tuned_bits"])
    assert sum(bool(body.get("echo")) for body in model.requests) == 14


async def test_an_evaluation_goes_on_at_once_after_a_restart(world: World, model: ModelStandIn) -> None:
    reached = asyncio.Event()

    def dies(body: dict[str, Any]) -> str:
        if len(model.requests) == 12:
            reached.set()
        return speaks(body)

    model.reply = dies
    await trained(world)
    await reached.wait()
    await world.kill()
    assert world.titles("passed its gates") == []
    # A cancelled task has given its lease back; a power cut leaves it as it was, with a minute to go.
    database = Database(world.settings.database_url)
    async with database.transaction() as session:
        left = {"lease_owner": "one", "lease_until": now() + LEASE}
        await session.execute(update(Evaluation).values(state="asking", **left))
    await database.close()
    await world.start()
    await world.chats.until(lambda: world.titles("passed its gates"), 30)


async def test_promotion_needs_gates_or_a_reason_and_goes_back(world: World, model: ModelStandIn) -> None:
    def no_better(body: dict[str, Any]) -> str:
        return speaks({**body, "model": "base"})

    model.reply = no_better
    ann = await trained(world)
    await world.chats.until(lambda: world.titles("did not pass all gates"), 60)
    await ann.says("/promote v1")
    await world.chats.until(lambda: "/promote v1 because" in world.chats.text())
    await ann.says("/use_v1")
    await world.chats.until(lambda: world.chats.text().count("/promote v1 because") == 2)
    await ann.says("/promote v1 because we want to see it talk")
    await world.chats.until(lambda: "everybody talks to teller (v1)" in world.chats.text())
    await ann.says("/rollback")
    await world.chats.until(lambda: "everybody talks to the untuned base" in world.chats.text())
    await ann.says("/rollback")
    await world.chats.until(lambda: world.chats.text().count("everybody talks to teller (v1)") == 2)


async def tapped_too_soon(world: World, model: ModelStandIn) -> Someone:
    """The tap for everybody comes while the model is tested."""
    model.silent = asyncio.Event()
    ann = await trained(world)
    await world.chats.until(lambda: world.titles("is done, it is v1"))
    await ann.presses("Let everybody talk to it")
    await world.chats.until(lambda: "Once it has passed, everybody talks to it" in world.chats.text())
    assert "everybody talks to it now" not in world.chats.text()
    return ann


async def test_a_tap_during_the_test_counts_once_it_is_passed_whatever_dies_meanwhile(
    world: World, model: ModelStandIn
) -> None:
    ann = await tapped_too_soon(world, model)
    await world.kill()
    assert model.silent is not None
    model.silent.set()
    await world.start()
    ann = world.someone("ann")
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    card = card_with(world, "passed its gates")
    assert card is not None
    assert "Everybody talks to it now, as Ann wished" in str(card.blocks)
    assert not any(button.label == "Let everybody talk to it" for row in card.buttons for button in row)
    await ann.says("/try")
    await world.chats.until(lambda: "teller (v1), as everybody does" in world.chats.text())
    await ann.says("/rollback")
    await world.chats.until(lambda: "everybody talks to the untuned base" in world.chats.text())


async def test_a_tap_during_the_test_moves_nothing_if_it_is_not_passed(world: World, model: ModelStandIn) -> None:
    ann = await tapped_too_soon(world, model)
    await ann.says("/promote v1")
    await world.chats.until(lambda: world.chats.text().count("Once it has passed, everybody talks to it") == 2)
    model.reply = lambda body: speaks({**body, "model": "base"})
    assert model.silent is not None
    model.silent.set()
    await world.chats.until(lambda: world.titles("did not pass all gates"), 60)
    card = card_with(world, "did not pass all gates")
    assert card is not None
    assert "it stays as it was. All the same: /promote v1 because" in str(card.blocks)
    # What it was wished for is over: better answers another time change nothing by themselves.
    await ann.says("/audit")
    await world.chats.until(lambda: "the wish to promote v1 lapsed" in world.chats.text())
    assert world.chats.text().count("wished to promote v1 once") == 1


async def test_a_tap_during_the_test_can_be_taken_back(world: World, model: ModelStandIn) -> None:
    ann = await tapped_too_soon(world, model)
    await ann.presses("Only test it")
    await world.chats.until(lambda: "teller (v1) is only tested; everybody goes on talking to" in world.chats.text())
    assert model.silent is not None
    model.silent.set()
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    card = card_with(world, "passed its gates")
    assert card is not None
    assert "wished" not in str(card.blocks)
    answer = await ann.presses("Only test it")
    assert answer is not None
    assert "does not wait for its test any more" in answer.text
    await ann.presses("Let everybody talk to it")
    await world.chats.until(lambda: "everybody talks to teller (v1)" in world.chats.text())


async def test_a_tap_during_the_test_that_something_else_overtook_is_told(world: World, model: ModelStandIn) -> None:
    ann = await tapped_too_soon(world, model)
    await ann.says("/promote v1 --canary 10% because we are curious")
    await world.chats.until(lambda: "10 %" in world.chats.text())
    assert model.silent is not None
    model.silent.set()
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    card = card_with(world, "passed its gates")
    assert card is not None
    assert "something else was decided since, so nothing changes. To do it now: /promote v1" in str(card.blocks)
    # It is told once, however often the model is tested.
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        assert await releases.overtaken(session, 1) == []


async def test_a_tap_of_somebody_who_may_no_more_moves_nothing(world: World, model: ModelStandIn) -> None:
    model.silent = asyncio.Event()
    ann = await trained(world)
    await world.chats.until(lambda: world.titles("is done, it is v1"))
    assert world.app is not None
    ben = world.someone("ben")
    await ben.says(f"/start {await world.app.core.access.invite(Role.LEAD)}")
    await ben.says("/promote v1")
    await world.chats.until(lambda: "Once it has passed, everybody talks to it" in world.chats.text())
    await ann.says("/grant 2 trainer")
    await world.chats.until(lambda: "trainer" in world.chats.text())
    model.silent.set()
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    card = card_with(world, "passed its gates")
    assert card is not None
    assert "ben wished that everybody talks to it; it stays as it was" in str(card.blocks).lower()


async def test_votes_are_blind_counted_once_and_apart_from_the_judge(world: World, model: ModelStandIn) -> None:
    def judges(body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        if body["model"] != "judge":
            return speaks(body)
        return "A" if "leaves settle" in text.split("Answer A:")[1].split("Answer B:")[0] else "B"

    model.reply = judges
    ann = await trained(world)
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    await ann.says("/compare v1")
    for number in range(1, 8):
        await world.chats.until(partial(world.chats.shows, f"{number} of 7"))
        card = card_with(world, f"{number} of 7")
        assert card is not None
        assert "tuned" not in str(card.blocks).lower()
        texts = [block.text for block in card.blocks if isinstance(block, Paragraph)]
        sides = [text for text in texts if text[:2] in ("A\n", "B\n")]
        await ann.presses("A" if "leaves settle" in sides[0] else "B")
    await world.chats.until(lambda: world.titles("against"))
    result = card_with(world, "against")
    assert result is not None
    assert "7 won, 0 lost, 0 equal" in str(result.blocks)
    assert "not enough evidence" in str(result.blocks)
    assert "All votes are one person's." in str(result.blocks)
    assert "not asked" in str(result.blocks)
    # Its cost stands on the button; it judges when somebody asks for it.
    assert not any(body["model"] == "judge" for body in model.requests)
    button = next(
        button
        for row in card_with(world, "passed its gates").buttons  # type: ignore[union-attr]
        for button in row
        if "judge" in button.label
    )
    assert "28 calls" in button.label
    assert "price not known" in button.label
    await ann.presses(button.label)
    await world.chats.until(lambda: len(world.titles("passed its gates")) == 2, 60)
    assert sum(body["model"] == "judge" for body in model.requests) == 28
    card = card_with(world, "passed its gates")
    assert card is not None
    assert "14" not in str(card.title)
    assert "7 won, 0 lost, 0 equal" in str(card.blocks)


async def test_a_tap_during_the_test_is_one_of_two_where_the_team_wants_two(
    tmp_path: Path, model: ModelStandIn
) -> None:
    model.reply = speaks
    world = World(tmp_path, model.endpoint, questions=20, two_people=True)
    await world.start()
    try:
        await tapped_too_soon(world, model)
        assert model.silent is not None
        model.silent.set()
        await world.chats.until(lambda: world.titles("passed its gates"), 60)
        card = card_with(world, "passed its gates")
        assert card is not None
        assert "a second person has to agree: /promote v1" in str(card.blocks)
        assert world.app is not None
        ben = world.someone("ben")
        await ben.says(f"/start {await world.app.core.access.invite(Role.LEAD)}")
        await ben.says("/promote v1")
        await world.chats.until(lambda: "everybody talks to teller (v1)" in world.chats.text())
    finally:
        await world.stop()


async def test_two_people_where_the_team_wants_it(tmp_path: Path, model: ModelStandIn) -> None:
    model.reply = speaks
    world = World(tmp_path, model.endpoint, questions=20, two_people=True)
    await world.start()
    try:
        ann = await trained(world)
        await world.chats.until(lambda: world.titles("passed its gates"), 60)
        await ann.says("/promote v1")
        await world.chats.until(lambda: "A second person has to agree" in world.chats.text())
        await ann.says("/promote v1")
        await world.chats.until(lambda: world.chats.text().count("A second person has to agree") == 2)
        assert "everybody talks to teller" not in world.chats.text()
        assert world.app is not None
        ben = world.someone("ben")
        await ben.says(f"/start {await world.app.core.access.invite(Role.LEAD)}")
        await ben.says("/promote v1")
        await world.chats.until(lambda: "everybody talks to teller (v1)" in world.chats.text())
        # A canary and a name are no way around the second person; a wish for little is none for more.
        await ben.says("/rollback")
        await world.chats.until(lambda: "talks to the untuned base" in world.chats.text())
        waits = world.chats.text().count("A second person has to agree")
        for number, (person, text) in enumerate(
            (
                (ann, "/promote v1 --canary 99%"),
                (ann, "/promote v1 --canary 99%"),
                (ben, "/promote v1 --canary 5%"),
                (ann, "/promote v1"),
                (ann, "/promote v1 @poet"),
            ),
            waits + 1,
        ):
            await person.says(text)
            await world.chats.until(lambda n=number: world.chats.text().count("A second person has to agree") == n)  # type: ignore[misc]
        assert "of all conversations talk" not in world.chats.text()
        await ben.says("/promote v1 --canary 5%")
        await world.chats.until(lambda: "5% of all conversations talk to teller (v1)" in world.chats.text())
        await ben.says("/promote v1 @poet")
        await world.chats.until(lambda: "@poet is teller (v1)" in world.chats.text())
    finally:
        await world.stop()


async def test_the_page_shows_the_same_to_trainers_only(world: World) -> None:
    await trained(world)
    await world.chats.until(lambda: world.titles("passed its gates"), 60)
    assert world.app is not None
    address = f"{world.app.web.address}/reports/v1"
    async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as stranger, stranger.get(address) as response:
        assert response.status == 404
    for role, status in ((Role.USER, 404), (Role.TRAINER, 200)):
        code = await world.app.core.access.invite(role)
        async with ClientSession(cookie_jar=CookieJar(unsafe=True)) as person:
            headers = {"X-Csrf-Token": "sign-in", "Origin": world.app.web.address}
            entering = person.post(
                f"{world.app.web.address}/sign-in", json={"code": code, "name": "Eve"}, headers=headers
            )
            async with entering as entered:
                assert entered.status < 300, await entered.text()
            async with person.get(address, headers={"X-Language": "en"}) as response:
                assert response.status == status
                text = await response.text()
                assert "default-src 'none'" in response.headers["Content-Security-Policy"]
    assert "passed its gates" in text
    assert "3.00 → 1.00" in text
    assert "data:image/png;base64," in text
    assert "<script" not in text
    async with ClientSession() as person, person.get(f"{world.app.web.address}/reports/v9") as response:
        assert response.status == 404
