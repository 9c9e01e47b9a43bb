"""The whole loop, timed as a person meets it: `.venv/bin/python benchmarks/loop.py` (about three minutes).

A real bot process on an empty data folder, its page spoken to over HTTP and WebSocket as the browser does. Prints one
table: seconds from `tuneteller run` to a page that says it is ready, from the last byte of a 5 MB upload to its card,
from Start to the first optimiser step and to the notice, the speed of training and of answers, and the memory of each
process (resident, of the process alone; peaks where the system tells them).
"""

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import aiohttp
import psutil

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from bot.platforms.web.guard import SIGN_IN_TOKEN, csrf_token  # noqa: E402
from tests.e2e.bot_process import OWNER_CODE, BotProcess  # noqa: E402

SAMPLE = ROOT / "examples" / "fortune_telling.jsonl"
ROWS = 50
QUESTIONS = ("Should I move house?", "我该不该搬家？", "What colour brings luck this month?")


class Visitor:
    """A page's connection, without the browser."""

    def __init__(self, session: aiohttp.ClientSession, address: str) -> None:
        self._session = session
        self._address = address
        self._token = ""
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self.entries: dict[int, dict[str, Any]] = {}
        self.news = asyncio.Condition()
        self._reader: asyncio.Task[None] | None = None

    async def enter(self) -> None:
        origin = {"Origin": self._address, "X-Csrf-Token": SIGN_IN_TOKEN}
        body = json.dumps({"code": OWNER_CODE, "name": "Ming"})
        async with self._session.post(f"{self._address}/sign-in", data=body, headers=origin) as response:
            assert response.status == 200, await response.text()
            self._token = next(iter(response.cookies.values())).value
        self._socket = await self._session.ws_connect(f"{self._address}/ws?language=en", headers=self._headers())
        await self._socket.send_json({"since": None})
        self._reader = asyncio.create_task(self._read())

    def _headers(self) -> dict[str, str]:
        cookie = f"tuneteller_{self._address.rsplit(':', 1)[1]}={self._token}"
        return {"Origin": self._address, "X-Csrf-Token": csrf_token(self._token), "Cookie": cookie}

    async def _read(self) -> None:
        assert self._socket is not None
        async for message in self._socket:
            frame = message.json()
            async with self.news:
                for entry in frame.get("entries") or frame.get("history") or []:
                    self.entries[entry["id"]] = entry["body"]
                if "preview" in frame:
                    self.entries[frame["preview"]["id"]] = frame["preview"]["body"]
                self.news.notify_all()

    async def until(self, holds: Callable[[dict[str, Any]], bool], seconds: float = 600) -> tuple[int, dict[str, Any]]:
        """The newest entry of which something holds, once there is one."""

        def newest() -> tuple[int, dict[str, Any]] | None:
            return next(((n, body) for n, body in sorted(self.entries.items(), reverse=True) if holds(body)), None)

        async with asyncio.timeout(seconds), self.news:
            while (found := newest()) is None:
                await self.news.wait()
            return found

    async def say(self, text: str) -> None:
        assert self._socket is not None
        await self._socket.send_json({"send": text, "id": str(uuid4())})

    async def press(self, number: int, label: str) -> None:
        assert self._socket is not None
        buttons = (button for row in self.entries[number]["buttons"] for button in row)
        token = next(button["token"] for button in buttons if button["label"] == label)
        await self._socket.send_json({"press": token, "entry": number, "id": str(uuid4())})

    async def upload(self, name: str, data: bytes) -> None:
        headers = {**self._headers(), "X-File-Name": quote(name), "X-Message-Id": str(uuid4())}
        async with self._session.post(f"{self._address}/upload", data=data, headers=headers) as response:
            assert response.status == 200, await response.text()

    async def close(self) -> None:
        assert self._socket is not None
        await self._socket.close()
        if self._reader is not None:
            await self._reader


def titled(words: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: words in str(body.get("title", ""))


def says(words: str) -> Callable[[dict[str, Any]], bool]:
    return lambda body: words in json.dumps(body, ensure_ascii=False)


def at_step(least: int) -> Callable[[dict[str, Any]], bool]:
    """A job's card that shows this step or a later one: a page is told of progress now and then, not of every step."""

    def reached(body: dict[str, Any]) -> bool:
        found = re.search(r"Step (\d+) of", json.dumps(body, ensure_ascii=False))
        return found is not None and int(found[1]) >= least

    return reached


def memory(word: str) -> str:
    """Resident and peak memory in MB of the newest process whose command line has this word."""
    for process in sorted(psutil.process_iter(["cmdline", "create_time"]), key=lambda p: -p.info["create_time"]):
        if word in " ".join(process.info["cmdline"] or []):
            peak = 0.0
            status = Path(f"/proc/{process.pid}/status")
            if status.exists():
                peak = next(int(line.split()[1]) / 1000 for line in status.read_text().splitlines() if "VmHWM" in line)
            return f"{process.memory_info().rss / 1e6:.0f} MB now, {peak:.0f} MB at most"
    return "no such process"


def large_file() -> bytes:
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    rows, size, number = [], 0, 0
    while size < 5_000_000:
        # A number in each row, so that none is a duplicate.
        row = json.loads(lines[number % len(lines)])
        row["messages"][1]["content"] += f" ({number})"
        rows.append(json.dumps(row, ensure_ascii=False).encode() + b"\n")
        size += len(rows[-1])
        number += 1
    return b"".join(rows)


async def ask(visitor: Visitor, question: str) -> tuple[float, float, int]:
    """Seconds to the first word, characters a second after it, characters."""
    before = set(visitor.entries)
    begun = time.perf_counter()
    await visitor.say(question)

    def is_new(test: Callable[[dict[str, Any]], bool]) -> Callable[[dict[str, Any]], bool]:
        return lambda body: body.get("kind") == "answer" and test(body)

    def fresh(body: dict[str, Any]) -> bool:
        return any(body is found for number, found in visitor.entries.items() if number not in before)

    await visitor.until(is_new(lambda body: fresh(body) and bool(body["text"])))
    first = time.perf_counter()
    _, body = await visitor.until(is_new(lambda body: fresh(body) and body["state"] == "done"))
    ended = time.perf_counter()
    return first - begun, len(body["text"]) / max(ended - first, 1e-6), len(body["text"])


async def measure(folder: Path) -> None:
    def show(what: str, value: str) -> None:
        print(f"{what:<52} {value}", flush=True)

    bot = BotProcess(folder, {"TUNETELLER_LOG_LEVEL": "warning"})
    begun = time.perf_counter()
    await bot.start()
    show("first start on an empty folder to a ready page", f"{time.perf_counter() - begun:.2f} s")
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        await visit(bot, session, show)
    await bot.stop()
    begun = time.perf_counter()
    await bot.start()
    show("second start to a ready page", f"{time.perf_counter() - begun:.2f} s")
    await bot.stop()


async def visit(bot: BotProcess, session: aiohttp.ClientSession, show: Callable[[str, str], None]) -> None:
    visitor = Visitor(session, bot.address)
    await visitor.enter()
    lines = SAMPLE.read_bytes().splitlines(keepends=True)
    await visitor.upload("fifty.jsonl", b"".join(lines[:ROWS]))
    await visitor.until(titled("fifty is ready"))
    large = large_file()
    begun = time.perf_counter()
    await visitor.upload("large.jsonl", large)
    sent = time.perf_counter()
    await visitor.until(titled("large is ready"))
    show(f"{len(large) / 1e6:.1f} MB: upload, then last byte to card",
         f"{sent - begun:.2f} s, {time.perf_counter() - sent:.2f} s")  # fmt: skip

    await visitor.say("/train 1 --preset standard")
    number, _ = await visitor.until(says('"Start"'))
    begun = time.perf_counter()
    await visitor.press(number, "Start")
    await visitor.until(at_step(1))
    show("Start to first optimiser step on the card", f"{time.perf_counter() - begun:.1f} s")
    await visitor.until(at_step(10))
    bot_memory, trainer_memory = memory("bot run"), memory("local.trainer")
    while "no such" not in (now := memory("local.trainer")):
        trainer_memory = now
        if any(titled("is done")(body) for body in visitor.entries.values()):
            break
        await asyncio.sleep(0.2)
    done, _ = await visitor.until(titled("is done"))
    show(f"Start to notice, {ROWS} rows, 3 epochs, preset standard", f"{time.perf_counter() - begun:.1f} s")
    result = json.loads(next((bot.folder / "data" / "jobs").glob("*/result.json")).read_text())
    show("training", f"{result['trained_tokens'] / result['seconds']:.0f} tokens/s over all of it")
    await visitor.press(done, "Let everybody talk to it")
    await visitor.until(says("From now on everybody talks"))
    for index, question in enumerate(QUESTIONS):
        first, speed, length = await ask(visitor, question)
        cold = "right after a model was chosen" if index == 0 else "warm"
        show(f"question to first word on the page, {cold}", f"{first:.2f} s, then {speed:.0f} characters/s ({length})")
    show("memory: bot", bot_memory)
    show("memory: trainer", trainer_memory)
    show("memory: model server", memory("local/server.py"))
    await visitor.close()


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        asyncio.run(measure(Path(place)))
