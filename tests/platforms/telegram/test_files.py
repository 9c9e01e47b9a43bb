"""Files that people send, on their way to us."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.chat.errors import PlatformError, Refused, Unavailable, Vanished
from bot.chat.events import Upload
from bot.platforms.telegram import TelegramPlatform, files
from bot.platforms.telegram.platform import CLOUD_UPLOAD_BYTES, LOCAL_UPLOAD_BYTES
from tests.fakes.telegram import DropAfter, Failure, HtmlPage, Person, TelegramStandIn
from tests.fakes.telegram.troubles import Slow, Throttle, Trouble
from tests.platforms.telegram.helpers import Inbox, Memory, platform_for

Running = TelegramPlatform


async def read(pieces: AsyncIterator[bytes]) -> bytes:
    return b"".join([piece async for piece in pieces])


async def test_a_file_comes_in_pieces(platform: Running, ming: Person, inbox: Inbox) -> None:
    data = bytes(range(256)) * 8192
    await ming.sends_file("我的 数据 #1?.jsonl", data)
    upload = (await inbox.message()).uploads[0]
    pieces = [piece async for piece in platform.fetch(upload)]
    assert len(pieces) > 1
    assert b"".join(pieces) == data
    assert await read(platform.fetch(upload)) == data


@pytest.mark.parametrize(
    ("method", "trouble", "error"),
    [
        ("getFile", Failure(400, "Bad Request: wrong file_id or the file is temporarily unavailable"), Vanished),
        ("getFile", Failure(400, "Bad Request: file is too big"), Refused),
        ("download", HtmlPage(404), Vanished),
        ("download", HtmlPage(503), Unavailable),
        ("download", DropAfter(), Unavailable),
    ],
)
async def test_a_file_that_does_not_come(
    platform: Running,
    tg: TelegramStandIn,
    ming: Person,
    inbox: Inbox,
    method: str,
    trouble: Trouble,
    error: type[PlatformError],
) -> None:
    await ming.sends_file("data.jsonl", b"x" * 1_000_000)
    upload = (await inbox.message()).uploads[0]
    tg.next(method, trouble)
    with pytest.raises(error) as caught:
        await read(platform.fetch(upload))
    assert tg.token not in repr(caught.value)
    assert len(await read(platform.fetch(upload))) == 1_000_000


@pytest.mark.parametrize("trouble", [HtmlPage(502), DropAfter(), Throttle(1), Failure(500, "Internal Server Error")])
async def test_where_a_file_is_is_asked_again(
    platform: Running,
    tg: TelegramStandIn,
    ming: Person,
    inbox: Inbox,
    monkeypatch: pytest.MonkeyPatch,
    trouble: Trouble,
) -> None:
    monkeypatch.setattr(files, "_PAUSES", (0.0, 0.0))
    await ming.sends_file("data.jsonl", b"x" * 1000)
    upload = (await inbox.message()).uploads[0]
    tg.next("getFile", trouble)
    tg.next("getFile", trouble)
    assert len(await read(platform.fetch(upload))) == 1000
    for _ in range(3):
        tg.next("getFile", trouble)
    with pytest.raises(Unavailable):
        await read(platform.fetch(upload))


async def test_a_local_server_takes_its_time_to_fetch_a_file(
    tg: TelegramStandIn, ming: Person, inbox: Inbox, platform: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "READ_SECONDS", 0.2)
    monkeypatch.setattr(files, "_PAUSES", ())
    await ming.sends_file("data.jsonl", b"x" * 1000)
    upload = (await inbox.message()).uploads[0]
    tg.next("getFile", Slow(0.5))
    monkeypatch.setattr(platform._downloads, "_local", False)
    with pytest.raises(Unavailable):
        await read(platform.fetch(upload))
    tg.next("getFile", Slow(0.5))
    monkeypatch.setattr(platform._downloads, "_local", True)
    assert len(await read(platform.fetch(upload))) == 1000


async def test_a_file_that_ends_too_early(platform: Running, ming: Person, inbox: Inbox) -> None:
    await ming.sends_file("data.jsonl", b"half of it", size=20)
    upload = (await inbox.message()).uploads[0]
    with pytest.raises(Unavailable):
        await read(platform.fetch(upload))


async def test_a_file_nobody_knows(platform: Running) -> None:
    with pytest.raises(Vanished):
        await read(platform.fetch(Upload("FILE999", "data.jsonl", 5)))


async def test_a_file_that_is_too_big_for_the_server(platform: Running, ming: Person, inbox: Inbox) -> None:
    await ming.sends_file("data.jsonl", b"x", size=(20 << 20) + 1)
    upload = (await inbox.message()).uploads[0]
    with pytest.raises(Refused):
        await read(platform.fetch(upload))


async def test_a_file_that_is_too_big_is_not_even_asked_for(platform: Running, tg: TelegramStandIn) -> None:
    with pytest.raises(Refused):
        await read(platform.fetch(Upload("FILE1", "data.jsonl", LOCAL_UPLOAD_BYTES + 1)))
    assert tg.calls("getFile") == []


def test_the_limits_of_both_servers() -> None:
    token = "123456789:AAno_server_is_ever_asked_with_this"
    cloud = TelegramPlatform(token, api_base=None, menu=(), offset_store=Memory())
    local = TelegramPlatform(token, api_base="http://127.0.0.1:8081/", menu=(), offset_store=Memory())
    assert cloud.limits.upload_bytes == CLOUD_UPLOAD_BYTES == 20 << 20
    assert local.limits.upload_bytes == LOCAL_UPLOAD_BYTES


async def test_a_local_server_shares_its_disk(tmp_path: Path, inbox: Inbox) -> None:
    async with TelegramStandIn(local_folder=tmp_path) as tg:
        platform = platform_for(tg)
        await platform.start(inbox.deliver)
        await tg.person(1001).sends_file("data.jsonl", b"from the disk" * 100_000)
        upload = (await inbox.message()).uploads[0]
        assert await read(platform.fetch(upload)) == b"from the disk" * 100_000
        assert tg.calls("download") == []
        await platform.stop()


async def test_a_local_server_that_does_not_share_its_disk(
    tmp_path: Path, inbox: Inbox, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with TelegramStandIn(local_folder=tmp_path) as tg:
        monkeypatch.setattr(tg, "_put_down", lambda path, _: f"/nowhere/{path}")
        platform = platform_for(tg)
        await platform.start(inbox.deliver)
        await tg.person(1001).sends_file("data.jsonl", b"x")
        upload = (await inbox.message()).uploads[0]
        with pytest.raises(Vanished):
            await read(platform.fetch(upload))
        assert "give this process access" in caplog.text
        await platform.stop()


async def test_a_file_of_ours_with_the_same_path_is_not_sent(
    platform: Running, tg: TelegramStandIn, ming: Person, inbox: Inbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ming.sends_file("data.jsonl", b"theirs")
    upload = (await inbox.message()).uploads[0]
    ours = tmp_path / tg.files[upload.handle].path
    ours.parent.mkdir(parents=True)
    ours.write_bytes(b"ours")
    monkeypatch.chdir(tmp_path)
    assert await read(platform.fetch(upload)) == b"theirs"
