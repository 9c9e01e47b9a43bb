"""Updates by webhook: proved, stored before they are acknowledged, in order, once."""

import asyncio
import io
import logging
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from bot.chat.content import Card
from bot.chat.errors import UserError
from bot.chat.events import Ack, Event, Press
from bot.platforms.telegram import TelegramPlatform, WebhookAddress, secret_of
from bot.platforms.telegram.webhook import MOST_BODY_BYTES, MOST_CONNECTIONS, SECRET_HEADER
from tests.fakes.telegram import Failure, Person, TelegramStandIn
from tests.platforms.telegram.helpers import Inbox, LogWatch, Memory, Pauses, platform_for, private, webhook_address
from tests.platforms.telegram.intake_contract import IntakeContract
from tests.platforms.telegram.test_presses import with_button

Running = TelegramPlatform


@pytest.fixture
async def tg() -> AsyncIterator[TelegramStandIn]:
    async with TelegramStandIn(local=True) as server:
        yield server


@pytest.fixture
def address() -> WebhookAddress:
    return webhook_address()


@pytest.fixture
async def platform(
    tg: TelegramStandIn, memory: Memory, pauses: Pauses, inbox: Inbox, address: WebhookAddress
) -> AsyncIterator[TelegramPlatform]:
    made = platform_for(tg, memory, pauses, address)
    await made.start(inbox.deliver)
    # Until the platform knows who it is, posts are put off.
    await _ready(address)
    yield made
    await made.stop()


async def _ready(address: WebhookAddress) -> None:
    async with asyncio.timeout(10):
        while await post(address, {"update_id": 1}) == 503:
            pass


async def post(address: WebhookAddress, body: Any, secret: str | None = None, **more: Any) -> int:
    """What the platform answers to a post."""
    headers = {SECRET_HEADER: address.secret if secret is None else secret}
    content = {"data": io.BytesIO(body)} if isinstance(body, bytes) else {"json": body}
    async with (
        aiohttp.ClientSession() as session,
        session.post(address.url, headers=headers, **content, **more) as response,
    ):
        return response.status


def update_of(number: int, text: str, chat: int = 1001) -> dict[str, Any]:
    person = {"id": chat, "is_bot": False, "first_name": "Ming"}
    message = {"message_id": number, "date": 1, "chat": {"id": chat, "type": "private"}, "from": person, "text": text}
    return {"update_id": number, "message": message}


async def test_updates_are_posted_and_never_asked_for(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, address: WebhookAddress, memory: Memory
) -> None:
    for number in range(20):
        await ming.says(str(number))
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 20)
    assert inbox.texts == [str(number) for number in range(20)]
    assert tg.calls("getUpdates") == tg.calls("deleteWebhook") == []
    (call,) = tg.calls("setWebhook")
    assert call.parameters["url"] == address.url
    assert call.parameters["max_connections"] == str(MOST_CONNECTIONS)
    assert "my_chat_member" in call.parameters["allowed_updates"]
    assert call.parameters["secret_token"] == address.secret
    assert memory.saved == []


async def test_pressed_buttons_are_answered(platform: Running, tg: TelegramStandIn, ming: Person) -> None:
    await tg.add_update("message", update_of(1, "x")["message"])
    shown = tg.new_message(ming.id, None, "a card")
    shown.keyboard = [[{"text": "Go", "callback_data": "tok"}]]
    shown.raw |= {"from": tg.me, "text": "a card"}
    query = await ming.presses(shown, "Go")
    await tg.wait_for(lambda: query.answer)


@pytest.mark.parametrize("secret", ["", "wrong", "a-secret_", "a-secret_11", "ä-secret_1", "A-SECRET_1"])
async def test_without_the_secret_nothing_is_taken(
    platform: Running, inbox: Inbox, address: WebhookAddress, secret: str, log: LogWatch
) -> None:
    for _ in range(3):
        assert await post(address, update_of(5, "forged"), secret) == 403
    assert inbox.tried == []
    assert len([line for line in log.lines if "without the webhook's secret" in line]) == 1
    assert await post(address, update_of(5, "genuine")) == 200
    assert inbox.texts == ["genuine"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"\xff\xfe", 400),
        ([], 400),
        ({}, 400),
        ({"update_id": "7"}, 400),
        (b" " * (MOST_BODY_BYTES + 1), 413),
        ({"update_id": 7, "poll": {"question": "not for us"}}, 200),
        ({"update_id": 7, "message": {"message_id": "none"}}, 200),
    ],
)
async def test_odd_posts(platform: Running, inbox: Inbox, address: WebhookAddress, body: Any, status: int) -> None:
    assert await post(address, body) == status
    assert inbox.tried == []


async def test_what_could_not_be_stored_is_posted_again_before_what_follows(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    failures = 2

    async def fails_twice(_: Event) -> None:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError("the disk is full")

    inbox.before = fails_twice
    await ming.says("one")
    await ming.says("two")
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)
    assert inbox.texts == ["one", "two"]
    assert [status for _, status in tg.hook.posted] == [503, 503, 200, 200]


async def test_an_update_is_acknowledged_only_once_it_is_stored(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    release = asyncio.Event()

    async def slow(event: Event) -> None:
        if event.place.chat == str(ming.id):
            await release.wait()

    inbox.before = slow
    await ming.says("slow")
    await tg.person(1002).says("quick")
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 1)
    assert inbox.texts == ["quick"]
    release.set()
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)
    assert inbox.texts == ["quick", "slow"]


async def test_a_repeat_has_the_same_id_and_waits_for_the_first(
    platform: Running, inbox: Inbox, address: WebhookAddress
) -> None:
    release = asyncio.Event()

    async def slow(_: Event) -> None:
        await release.wait()

    inbox.before = slow
    posts = [asyncio.create_task(post(address, update_of(5, "once"))) for _ in range(2)]
    await inbox.until(lambda i: len(i.tried) == 1)
    posts.append(asyncio.create_task(post(address, update_of(6, "then"))))
    release.set()
    assert await asyncio.gather(*posts) == [200, 200, 200]
    assert inbox.texts == ["once", "then"]
    # Later ones are delivered with the same id; whoever stores events knows it.
    assert await post(address, update_of(5, "once")) == 200
    assert [event.id for event in inbox.events] == ["5", "6", "5"]


async def test_a_press_that_takes_long_holds_up_nothing_of_its_chat(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox
) -> None:
    done = asyncio.Event()

    async def long(event: Event) -> None:
        if isinstance(event, Press):
            await done.wait()

    inbox.handling, inbox.ack = long, Ack("done")
    query = await ming.presses(await with_button(tg, ming), "Go")
    await inbox.until(lambda i: bool(i.tried))
    await ming.says("and I")
    await inbox.until(lambda i: i.texts == ["and I"])
    assert query.answer is None
    done.set()
    await tg.wait_for(lambda: query.answer)
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 2)
    assert len(inbox.tried) == 2


async def test_stop_waits_for_what_is_being_stored_and_leaves_the_webhook(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, address: WebhookAddress
) -> None:
    release = asyncio.Event()

    async def slow(_: Event) -> None:
        await release.wait()

    inbox.before = slow
    platform = platform_for(tg, webhook=address)
    await platform.start(inbox.deliver)
    await ming.says("being stored")
    await inbox.until(lambda i: len(i.tried) == 1)
    stopping = asyncio.create_task(platform.stop())
    await asyncio.sleep(0)
    assert await post(address, update_of(6, "too late", 1002)) == 503
    release.set()
    await stopping
    assert inbox.texts == ["being stored"]
    await tg.wait_for(lambda: len(tg.updates.confirmed) == 1)
    with pytest.raises(aiohttp.ClientError):
        await post(address, update_of(7, "nobody listens"))
    await ming.says("while away")
    assert tg.webhook == address.url
    inbox.before = None
    await platform.start(inbox.deliver)
    await inbox.until(lambda i: len(i.events) == 2)
    assert inbox.texts == ["being stored", "while away"]
    await platform.stop()


async def test_from_polling_to_a_webhook_and_back_nothing_is_lost(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, memory: Memory, address: WebhookAddress
) -> None:
    for number, webhook in enumerate((None, address, None, address)):
        await ming.says(f"{number} before")
        platform = platform_for(tg, memory, webhook=webhook)
        await platform.start(inbox.deliver)
        await ming.says(f"{number} after")
        count = 2 * number + 2
        await tg.wait_for(lambda count=count: len(tg.updates.confirmed) == count)  # type: ignore[misc]
        await platform.stop()
    assert inbox.texts == [f"{number} {when}" for number in range(4) for when in ("before", "after")]


async def test_a_port_that_is_taken(tg: TelegramStandIn, inbox: Inbox, address: WebhookAddress) -> None:
    first, second = platform_for(tg, webhook=address), platform_for(tg, webhook=address)
    await first.start(inbox.deliver)
    with pytest.raises(UserError) as caught:
        await second.start(inbox.deliver)
    assert caught.value.key == "telegram_webhook_port"
    assert caught.value.fields == {"listen": f"127.0.0.1:{address.port}", "reason": "EADDRINUSE"}
    await first.stop()


async def test_an_address_that_telegram_does_not_take(
    tg: TelegramStandIn, inbox: Inbox, address: WebhookAddress
) -> None:
    reason = "Bad Request: bad webhook: failed to resolve host"
    tg.next("setWebhook", Failure(400, reason))
    platform = platform_for(tg, webhook=address)
    with pytest.raises(UserError) as caught:
        await platform.start(inbox.deliver)
    assert caught.value.key == "telegram_webhook_refused"
    assert "failed to resolve host" in str(caught.value.fields["reason"])
    assert caught.value.__cause__ is caught.value.__context__ is None


async def test_a_server_that_is_away_at_the_start_is_told_later(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, address: WebhookAddress
) -> None:
    await tg.shut()
    platform = platform_for(tg, webhook=address)
    await platform.start(inbox.deliver)
    assert await post(address, update_of(5, "who are we?")) == 503
    await tg.open()
    await ming.says("hello")
    assert (await inbox.message()).text == "hello"
    await platform.stop()


async def test_an_address_that_is_refused_later_is_told_and_tried_again(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, address: WebhookAddress, log: LogWatch
) -> None:
    await tg.shut()
    platform = platform_for(tg, webhook=address)
    await platform.start(inbox.deliver)
    tg.next("setWebhook", Failure(400, "Bad Request: bad webhook: failed to resolve host"))
    await tg.open()
    await log.until("ERROR Telegram refuses what it is asked for: Bad webhook: failed to resolve host")
    await ming.says("hello")
    assert (await inbox.message()).text == "hello"
    await platform.stop()


async def test_neither_token_nor_secret_is_in_any_log_line(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, address: WebhookAddress, caplog: pytest.LogCaptureFixture
) -> None:
    platform = platform_for(tg, webhook=address)
    for name in ("", "httpx", "httpcore", "telegram", "aiohttp", "asyncio"):
        caplog.set_level(logging.DEBUG, name or None)
    tg.next("setWebhook", Failure(500, f"Internal: {address.secret} {tg.token}"))
    await platform.start(inbox.deliver)
    await ming.says("hello")
    await inbox.message()
    await post(address, b"{", address.secret)
    await post(address, update_of(5, "x"), "wrong")
    await platform.send(private(ming.id), Card("hello"), key="k")
    await platform.stop()
    assert len(caplog.records) > 20
    written = caplog.text + "".join(record.getMessage() for record in caplog.records)
    assert tg.token not in written
    assert address.secret not in written


def test_the_secret_that_comes_of_the_token() -> None:
    secret = secret_of("123456789:AAsecret_token_of_a_bot_x")
    assert secret == secret_of("123456789:AAsecret_token_of_a_bot_x")
    assert secret != secret_of("123456789:AAsecret_token_of_a_bot_y")
    assert len(secret) == 64
    assert set(secret) <= set("0123456789abcdef")


class TestPosted(IntakeContract):
    pass
