"""Files in and out."""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import cast
from uuid import uuid4

import pytest

from bot.chat.content import Attachment, AttachmentKind, Card
from bot.chat.errors import Vanished
from bot.chat.events import Message, Upload
from bot.chat.places import Place
from bot.platforms.web.incoming import KEPT_SECONDS, Incoming
from bot.platforms.web.uploads import safe_name
from tests.platforms.web.conftest import MAX_UPLOAD, House, Visit


async def fetched(house: House, upload: Upload) -> bytes:
    assert house.platform is not None
    return b"".join([piece async for piece in house.platform.fetch(upload)])


def upload_of(house: House, index: int = -1) -> Upload:
    return cast(Message, house.inbox.events[index]).uploads[0]


async def test_a_file_arrives_whole_and_is_delivered(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    await page.connect()
    await page.until("history")
    data = os.urandom(1_500_000)
    name = str(uuid4())
    answer = await page.upload(data, "%E7%AE%97%E5%91%BD.jsonl", **{"X-Message-Id": name})
    assert answer.status == 200
    upload = upload_of(house)
    assert (upload.name, upload.size) == ("算命.jsonl", len(data))
    assert house.inbox.events[0].id == name
    assert await fetched(house, upload) == data
    assert await fetched(house, upload) == data, "a handler that died may fetch it again"
    frame = await page.until("entries")
    [entry] = cast(list[dict[str, object]], frame["entries"])
    assert entry["body"] == {"kind": "file", "name": "算命.jsonl", "size": len(data), "client": name}


async def test_a_file_sent_again_is_one_file(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    name = str(uuid4())
    for _ in range(2):
        assert (await page.upload(b"same", **{"X-Message-Id": name})).status == 200
    assert len(house.log.entries) == 1
    assert upload_of(house, 0) == upload_of(house, 1)
    assert len(list(house.incoming.iterdir())) == 1
    assert await fetched(house, upload_of(house)) == b"same"


async def stream(pieces: int) -> AsyncIterator[bytes]:
    for _ in range(pieces):
        yield b"x" * 100_000


async def test_too_large_is_refused_and_nothing_stays(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    told = await page.upload(b"x" * (MAX_UPLOAD + 1), **{"X-Language": "en"})
    assert told.status == 413
    assert "12 MB" in (await told.json())["error"]
    untold = await page.upload(stream(130), **{"X-Language": "zh"})
    assert untold.status == 413
    assert "文件太大" in (await untold.json())["error"]
    assert list(house.incoming.iterdir()) == []
    assert house.inbox.events == []
    assert (await page.upload(b"x" * MAX_UPLOAD)).status == 200


async def test_a_cut_upload_leaves_nothing(house: House, visit: Visit, caplog: pytest.LogCaptureFixture) -> None:
    await house.open()
    page = await visit()
    reader, writer = await asyncio.open_connection("127.0.0.1", house.port)
    head = {**page.headers, "Host": f"127.0.0.1:{house.port}", "Content-Length": "1000000"}
    head |= {"X-File-Name": "x", "X-Message-Id": str(uuid4())}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    writer.write(f"POST /upload HTTP/1.1\r\n{lines}\r\n".encode() + b"x" * 300_000)
    await writer.drain()
    await until(lambda: any(house.incoming.glob("*.part")))
    writer.transport.abort()
    await until(lambda: not any(house.incoming.iterdir()))
    assert house.inbox.events == []
    assert house.log.entries == {}
    assert "ERROR" not in caplog.text, "people cut their uploads off every day"
    del reader


async def until(condition: Callable[[], bool]) -> None:
    """Waits for something that the other side of a socket does."""
    async with asyncio.timeout(5):
        while not condition():  # noqa: ASYNC110 - a folder tells nobody that it has changed
            await asyncio.sleep(0.005)


async def test_an_upload_needs_a_session_an_id_and_a_token(house: House, visit: Visit) -> None:
    await house.open()
    page = await visit()
    assert (await page.upload(b"x", **{"X-Message-Id": "1"})).status == 400
    assert (await page.upload(b"x", **{"X-Csrf-Token": ""})).status == 403
    house.door.sessions.clear()
    assert (await page.upload(b"x")).status == 401
    assert house.inbox.events == []


async def test_a_start_sweeps_what_was_cut_off_and_what_is_old(house: House, tmp_path: Path) -> None:
    folder = house.incoming
    folder.mkdir()
    part, old, fresh = folder / f"{'a' * 32}.part", folder / ("b" * 32), folder / ("c" * 32)
    for path in (part, old, fresh):
        path.write_bytes(b"x")
    long_ago = old.stat().st_mtime - KEPT_SECONDS - 60
    os.utime(old, (long_ago, long_ago))
    await house.open()
    assert list(folder.iterdir()) == [fresh]
    assert await fetched(house, Upload("c" * 32, "x")) == b"x"


@pytest.mark.parametrize("handle", ["../secret", "/etc/hostname", "", "A" * 32, "d" * 32])
async def test_a_handle_reaches_nothing_else(tmp_path: Path, handle: str) -> None:
    (tmp_path / "secret").write_text("x")
    incoming = Incoming(tmp_path / "incoming")
    await incoming.prepare()
    with pytest.raises(Vanished):
        async for _ in incoming.read(handle):
            pass


async def test_a_full_disk_leaves_nothing(tmp_path: Path) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        yield b"x"
        raise OSError(28, "No space left on device")

    incoming = Incoming(tmp_path)
    with pytest.raises(OSError, match="No space"):
        await incoming.receive(pieces(), 100)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\a\\b.jsonl", "b.jsonl"),
        ("", "file"),
        ("..", "file"),
        ("a\r\nSet-Cookie: x", "a__Set-Cookie_ x"),
        ("evil\u202egnp.exe", "evil_gnp.exe"),
        ("<img>.txt", "_img_.txt"),
        ("数据.jsonl", "数据.jsonl"),
        ("x" * 500, "x" * 200),
    ],
)
def test_names_of_files_tell_no_lies(name: str, safe: str) -> None:
    assert safe_name(name) == safe


async def test_attachments_go_to_their_room_only(house: House, visit: Visit) -> None:
    platform = await house.open()
    ming, hong = await visit("ming"), await visit("hong")
    picture, page_like = b"\x89PNG", b"<html><script>alert(1)</script>"
    card = Card(
        title="files",
        attachments=(
            Attachment("图 1.png", "image/png", picture, AttachmentKind.PICTURE),
            Attachment("report.html", "text/html", page_like),
        ),
    )
    ref = await platform.send(Place("web", ming.visitor.room), card, key="1")
    other = await platform.send(Place("web", hong.visitor.room), Card(title="nothing"), key="2")

    def url(data: bytes, entry: str) -> str:
        return f"{ming.address}/files/{hashlib.sha256(data).hexdigest()}/x?entry={entry}"

    shown = await ming.session.get(url(picture, ref.id), headers=ming.headers)
    assert (shown.status, await shown.read(), shown.content_type) == (200, picture, "image/png")
    assert shown.headers["Content-Disposition"] == "inline; filename*=UTF-8''%E5%9B%BE%201.png"
    assert shown.headers["Cache-Control"] == "private, no-cache"
    etag = shown.headers["ETag"]
    again = await ming.session.get(url(picture, ref.id), headers={**ming.headers, "If-None-Match": etag})
    assert again.status == 304

    offered = await ming.session.get(url(page_like, ref.id), headers=ming.headers)
    assert (offered.status, offered.content_type) == (200, "application/octet-stream")
    assert offered.headers["Content-Disposition"] == "attachment; filename*=UTF-8''report.html"
    assert "sandbox" in offered.headers["Content-Security-Policy"]

    for headers, entry in ((hong.headers, ref.id), (hong.headers, other.id), ({}, ref.id), (ming.headers, "")):
        answer = await ming.session.get(url(picture, entry), headers=headers)
        assert answer.status == 404
    unknown = await ming.session.get(url(b"never sent", ref.id), headers=ming.headers)
    assert unknown.status == 404
