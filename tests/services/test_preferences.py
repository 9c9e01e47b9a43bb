"""Where and when people are told, and what shows where a notice may not have arrived."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from aiohttp import web
from sqlalchemy import select
from standardwebhooks import Webhook

from bot.chat.content import Code
from bot.chat.errors import Unconfirmed, UserError
from bot.chat.places import PlaceKind
from bot.services import notices
from bot.services.preferences import Quiet, quiet_of, webhook_of
from storage.tables import OutboxRow
from tests.fakes.model import ModelStandIn
from tests.fakes.platform import Someone
from tests.services.world import World


@dataclass
class Receiver:
    """Somebody's own server. ``answers``: the statuses of the next posts, before 200."""

    posts: asyncio.Queue[tuple[dict[str, str], str]] = field(default_factory=asyncio.Queue)
    answers: list[int] = field(default_factory=list)
    address: str = ""
    host: str = ""

    async def take(self, request: web.Request) -> web.Response:
        await self.posts.put((dict(request.headers), await request.text()))
        return web.Response(status=self.answers.pop(0) if self.answers else 200)


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    found = Receiver()
    app = web.Application()
    app.router.add_post("/told", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.host = f"127.0.0.1:{runner.addresses[0][1]}"
    found.address = f"http://{found.host}/told"
    yield found
    await runner.cleanup()


@pytest.fixture
async def world(tmp_path: Path, model: ModelStandIn, receiver: Receiver) -> AsyncIterator[World]:
    found = World(tmp_path, model.endpoint, webhooks=receiver.host)
    await found.start()
    yield found
    await found.stop()


async def rows(world: World, kind: str) -> list[OutboxRow]:
    assert world.app is not None
    async with world.app.core.database.transaction() as session:
        return list(await session.scalars(select(OutboxRow).where(OutboxRow.kind == kind)))


async def settings(world: World, person: Someone, arguments: str, shows: str) -> None:
    await person.says(f"/settings {arguments}")
    await world.chats.until(lambda: world.chats.shows(shows))


async def test_a_job_of_a_group_is_told_privately(world: World) -> None:
    ann = await world.owner()
    await settings(world, ann, "notify here", "here, privately")
    assert world.platform is not None
    group = Someone(world.platform, "ann", "en", "team", PlaceKind.GROUP)
    await world.running(group)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done") and world.titles("· done"))
    places = {number: place.chat for number, place in world.chats.places.items()}
    told = next(number for number, card in world.chats.messages.items() if "is done" in repr(card))
    card = next(number for number, each in world.chats.messages.items() if "· done" in repr(each))
    assert (places[told], places[card]) == ("ann", "team")
    await ann.presses("Tell me where I asked")
    await world.chats.until(lambda: world.chats.shows("in the chat where you asked"))


async def test_a_private_place_is_chosen_in_private_only(world: World) -> None:
    await world.owner()
    assert world.platform is not None
    group = Someone(world.platform, "ann", "en", "team", PlaceKind.GROUP)
    await settings(world, group, "notify here", "This is chosen in a private chat")
    await settings(world, group, "webhook https://example.org", "This is chosen in a private chat")


async def test_a_webhooks_address_is_not_shown_in_a_group(world: World, receiver: Receiver) -> None:
    ann = await world.owner()
    await settings(world, ann, f"webhook {receiver.address}", "whsec_")
    ann.chat, ann.kind = "team", PlaceKind.GROUP
    await settings(world, ann, "", "set, shown in private only")
    assert receiver.address not in repr(world.chats.cards()[-1])


async def test_a_webhook_gets_a_signed_post_until_it_takes_it(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "POST_AGAIN", (0, 0, 0))
    receiver.answers = [500, 503]
    ann = await world.owner()
    await settings(world, ann, f"webhook {receiver.address}", "whsec_")
    codes = [block.text for card in world.chats.cards() for block in card.blocks if isinstance(block, Code)]
    secret = next(code for code in codes if code.startswith("whsec_"))
    await world.running(ann)
    world.trainings.finish()
    seen = set()
    for _ in range(3):
        headers, body = await asyncio.wait_for(receiver.posts.get(), 20)
        found = Webhook(secret).verify(body, headers)
        seen.add(headers["webhook-id"])
        assert (found["type"], found["data"]["job"], found["data"]["state"]) == ("job.succeeded", 1, "succeeded")
        assert found == json.loads(body)
    assert len(seen) == 1, "a repeat has the id of the first"
    await world.chats.until(lambda: world.titles("is done"))
    await settings(world, ann, "", "Last post")


async def test_a_webhook_that_never_takes_it_is_given_up_and_shown(
    world: World, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "POST_AGAIN", (0,))
    receiver.answers = [500] * 9
    ann = await world.owner()
    await settings(world, ann, f"webhook {receiver.address}", "whsec_")
    await world.running(ann)
    world.trainings.finish()
    for _ in range(2):
        await asyncio.wait_for(receiver.posts.get(), 20)
    while (await rows(world, "post"))[0].state != "failed":  # noqa: ASYNC110 - a table has no event
        await asyncio.sleep(0.02)
    await settings(world, ann, "", "not taken in 2 attempts")
    assert receiver.posts.empty()


@pytest.mark.parametrize("address", ["https://127.0.0.1/x", "https://localhost/x", "https://169.254.169.254/latest"])
async def test_nobody_posts_into_our_own_network(world: World, address: str) -> None:
    ann = await world.owner()
    await settings(world, ann, f"webhook {address}", "whsec_")
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done"))
    while (await rows(world, "post"))[0].state == "pending":  # noqa: ASYNC110 - a table has no event
        await asyncio.sleep(0.02)
    assert (await rows(world, "post"))[0].state == "failed"


async def test_quiet_hours_put_a_notice_off(world: World) -> None:
    ann = await world.owner()
    now = datetime.now(UTC)
    await settings(world, ann, f"quiet {now.hour}-{(now.hour + 2) % 24} UTC", "Quiet hours")
    await world.running(ann)
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("· done"))
    (push,) = await rows(world, "push")
    assert push.state == "pending"
    assert push.due_at > now
    assert push.due_at.minute == 0
    assert not world.titles("is done")


async def test_what_may_not_have_arrived_is_told_at_the_next_contact_once(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.chats.after = [Unconfirmed()]
    # The push is the first thing sent after the end; the card's edit comes beside it.
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done") and world.titles("· done"))
    while (await rows(world, "push"))[0].state != "unknown":  # noqa: ASYNC110 - a table has no event
        await asyncio.sleep(0.02)
    await ann.says("/whoami")
    await world.chats.until(lambda: world.titles("This is you"))
    assert len(world.titles("could not be sure to reach you")) == 1
    before = len(world.chats.messages)
    await ann.says("/whoami")
    await world.chats.more_than(before)
    assert len(world.titles("could not be sure to reach you")) == 1
    assert [row.kind for row in await rows(world, "sign")] == ["sign"]


async def test_what_was_missed_costs_nobody_the_command_that_they_send(world: World) -> None:
    ann = await world.owner()
    await world.running(ann)
    world.chats.after = [Unconfirmed()]
    world.trainings.finish()
    await world.chats.until(lambda: world.titles("is done") and world.titles("· done"))
    while (await rows(world, "push"))[0].state != "unknown":  # noqa: ASYNC110 - a table has no event
        await asyncio.sleep(0.02)
    # The list of what was missed is lost on its way, too.
    world.chats.after = [Unconfirmed()]
    await ann.says("/whoami")
    await world.chats.until(lambda: world.titles("This is you"))


@pytest.mark.parametrize(
    ("words", "begins", "ends", "zone"),
    [
        ("22-8", "22:00", "08:00", "UTC"),
        ("22:30–07:00 Asia/Shanghai", "22:30", "07:00", "Asia/Shanghai"),
        ("23-7 +8", "23:00", "07:00", "+8"),
        ("1到6 UTC+05:30", "01:00", "06:00", "UTC+05:30"),
    ],
)
def test_hours_as_people_write_them(words: str, begins: str, ends: str, zone: str) -> None:
    assert quiet_of(words) == Quiet(begins, ends, zone)


@pytest.mark.parametrize("words", ["", "22", "25-7", "8-8", "22-8 Mars/Olympus", "22-8 ../../etc/passwd", "22-8 +99"])
def test_hours_that_are_none(words: str) -> None:
    with pytest.raises(UserError):
        quiet_of(words)


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-03-01T21:59+00:00", "2026-03-01T21:59+00:00"),
        ("2026-03-01T22:00+00:00", "2026-03-02T08:00+00:00"),
        ("2026-03-02T07:59+00:00", "2026-03-02T08:00+00:00"),
        ("2026-03-02T08:00+00:00", "2026-03-02T08:00+00:00"),
    ],
)
def test_quiet_over_midnight(at: str, until: str) -> None:
    quiet = Quiet("22:00", "08:00", "UTC")
    assert quiet.until(datetime.fromisoformat(at)) == datetime.fromisoformat(until)


def test_quiet_by_day_in_a_zone_that_changes_its_clock() -> None:
    # Berlin goes from 2:00 to 3:00 on this day.
    quiet = Quiet("01:00", "05:00", "Europe/Berlin")
    assert quiet.until(datetime.fromisoformat("2026-03-29T00:30+00:00")).isoformat() == "2026-03-29T03:00:00+00:00"


@pytest.mark.parametrize(
    "address", ["", "http://example.org", "https://", "https://a:b@example.org", "ftp://x.org", "https://x.org/#a"]
)
def test_addresses_that_are_none(address: str) -> None:
    with pytest.raises(UserError):
        webhook_of(address, hosts=())
