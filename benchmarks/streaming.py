"""How well answers stream: ``python -m benchmarks.streaming [--conversations 1 30 100 300] [--kinds …]``.

The real bot (all of it, in a process of its own) between a model server that generates 30 tokens a second for every
question at once, and a stand-in of the Bot API over HTTP that enforces Telegram's pace (a message a second to a chat,
20 a minute to a group, 30 a second in all) and answers a share of calls 429, 1 to 5 seconds, for no reason.

Prints for each case: **staleness**, the mean time from a character's generation to its being shown, beside the least
that the limits allow to somebody who knows every token beforehand (:mod:`benchmarks.streaming_oracle`) and meets the
storm as everybody does (:mod:`benchmarks.streaming_storm`; in brackets, what knowing each refusal beforehand would
allow); calls that were answered 429 for being too early; last words that never came, or came twice; how late last
words came after the moment from which the platform allowed them in a chat that stands alone (the last token, the
pause since the last call, the end of the last wait that it was told); the time from an answer's first token to its
first words; how long questions are on their way from the platform to the model, which takes 0.3 s more for its first
token; calls made for each that the oracle makes; processor seconds for each 1,000 tokens; memory for each
conversation. And, under the same limits in a simulated time, how others would have fared (see
:mod:`benchmarks.streaming_peers`).

The kind ``discord`` plays the same there: 5 messages and 5 edits in 5 seconds to a channel, 50 calls a second in all,
told in headers.
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

from benchmarks.streaming_bot import channel_of
from benchmarks.streaming_model import token
from benchmarks.streaming_oracle import Answer, Bound, bound
from benchmarks.streaming_peers import POLICIES, play, staleness
from benchmarks.streaming_storm import bound as storm_bound
from tests.fakes.discord import Channel, DiscordStandIn, Limits, Person

RATE = 30.0
PER_SECOND = 30
# Of Discord it is 5 edits in 5 seconds to a channel; that they may come together is not granted to the oracle there.
SPACING = {"private": 1.1, "group": 3.1, "discord": 1.0}
ALL = {"private": PER_SECOND, "group": PER_SECOND, "discord": 50}
# Each answer fits one message.
CHARACTERS = {"private": 3600, "group": 3600, "discord": 1800}
STARTS_PER_SECOND = 10
FIRST_WORDS = 1.2
# Seconds that the model takes for its first token.
FIRST_TOKEN = 0.3
SHOWN = ("sendMessage", "editMessageText")


@dataclass(frozen=True)
class Case:
    """One line of the table."""

    conversations: int
    kind: str
    storm: float
    seconds: int

    @property
    def tokens(self) -> int:
        """Of each answer."""
        return int(RATE * self.seconds)

    @property
    def width(self) -> int:
        """Characters of a token."""
        return max(1, CHARACTERS[self.kind] // self.tokens)


@dataclass(frozen=True)
class Seen:
    """One conversation: generation times of characters, and calls that showed so many of them.

    ``told``: when the storm refused a call, and for how many seconds; ``shut``: see :func:`_shut`; ``asked``: when
    the person asked.
    """

    asked: float
    generated: Any
    calls: list[tuple[float, int]]
    told: list[tuple[float, int]]
    shut: tuple[tuple[float, float], ...]
    finals: int


async def _process(*command: str, environment: dict[str, str] | None = None) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, **(environment or {})},
        limit=1 << 20,
    )


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), 120)).decode()


class Run:
    """One case, played."""

    def __init__(self, case: Case, folder: Path) -> None:
        self.case = case
        self._folder = folder
        self._tokens, self._width = case.tokens, case.width
        self.cpu = self.idle_memory = self.peak_memory = 0.0
        # When each conversation was asked, by its number.
        self._asked: dict[int, float] = {}

    def _model(self) -> tuple[str, ...]:
        return ("--rate", str(RATE), "--width", str(self._width), "--first", str(FIRST_TOKEN))

    def _chat(self, number: int) -> int:
        return number if self.case.kind == "private" else -number

    async def play(self) -> list[Seen]:
        """Ask every conversation its question, wait for all last words, and read what was shown when."""
        case = self.case
        model = await _process("-m", "benchmarks.streaming_model", *self._model())
        address = json.loads(await _line(model))["address"]
        telegram = await _process("-m", "tests.fakes.telegram", "--flood", "--storm", str(case.storm))
        place = json.loads(await _line(telegram))
        environment = {
            "TUNETELLER_DATA_DIR": str(self._folder),
            "TUNETELLER_WEB_PORT": "0",
            "TUNETELLER_LOG_LEVEL": "warning",
            "TELEGRAM_BOT_TOKEN": place["token"],
            "TELEGRAM_API_BASE": place["api_base"],
        }
        people = case.conversations if case.kind == "private" else 1
        groups = 0 if case.kind == "private" else case.conversations
        async with aiohttp.ClientSession() as session:
            self._session, self._control = session, place["control"]
            for number in range(1, people + 1):
                await self._post("people", id=number)
            for number in range(1, groups + 1):
                await self._post("groups", id=-number)
            command = ("-m", "benchmarks.streaming_bot", address, str(self._tokens), str(people), str(groups))
            bot = await _process(*command, environment=environment)
            try:
                assert "ready" in await _line(bot)
                await self._converse(bot)
                async with session.get(f"{address}/log") as response:
                    begun = await response.json()
                return await self._seen(begun)
            finally:
                for process in (bot, model):
                    assert process.stdin is not None
                    process.stdin.close()
                    await process.wait()
                telegram.terminate()
                await telegram.wait()

    async def _post(self, what: str, **fields: object) -> None:
        async with self._session.post(f"{self._control}/{what}", json=fields) as response:
            assert response.status == 200, await response.text()

    async def _calls(self, since: int = 0, text: int = 1) -> dict[str, Any]:
        url = f"{self._control}/timeline?since={since}&text={text}"
        async with self._session.get(url) as response:
            found: dict[str, Any] = await response.json()
            return found

    async def _converse(self, bot: asyncio.subprocess.Process) -> None:
        process = psutil.Process(bot.pid)
        # The first answer of all loads what every answer needs; it is not measured.
        await asyncio.sleep(2)
        self.idle_memory = process.memory_info().rss
        before = sum(process.cpu_times()[:2])
        for number in range(1, self.case.conversations + 1):
            person = number if self.case.kind == "private" else 1
            where = {} if self.case.kind == "private" else {"chat": -number}
            text = f"question {number}" if self.case.kind == "private" else f"/ask question {number}"
            self._asked[number] = time.monotonic()
            await self._post("say", person=person, text=text, **where)
            await asyncio.sleep(1 / STARTS_PER_SECOND)
        whole = self._whole()
        ended: set[int] = set()
        since = 0
        while len(ended) < self.case.conversations:
            await asyncio.sleep(1)
            self.peak_memory = max(self.peak_memory, process.memory_info().rss)
            found = await self._calls(since)
            since = found["next"]
            ended |= {call["chat"] for call in found["calls"] if call["verdict"] == "ok" and call["text"] == whole}
        self.cpu = sum(process.cpu_times()[:2]) - before
        # Whatever comes twice comes now.
        await asyncio.sleep(6)

    def _whole(self) -> str:
        return "".join(token(number, self._width) for number in range(self._tokens)).strip()

    async def _seen(self, begun: dict[str, float]) -> list[Seen]:
        whole = self._whole()
        calls = [call for call in (await self._calls())["calls"] if call["method"] in SHOWN]
        self.earned = sum(call["verdict"] in ("earned", "offence") for call in calls)
        found = []
        for number in range(1, self.case.conversations + 1):
            mine = [call for call in calls if call["chat"] == self._chat(number)]
            start = begun[f"question {number}"]
            moments = np.repeat(start + np.arange(self._tokens) / RATE, self._width)[: len(whole)]
            shown = [
                (call["arrived"], len(call["text"]))
                for call in mine
                if call["verdict"] == "ok" and whole.startswith(call["text"])
            ]
            told = [(call["arrived"], call["retry_after"]) for call in mine if call["verdict"] == "storm"]
            shut = _shut(start, mine, SPACING[self.case.kind])
            messages = [call for call in mine if call["verdict"] == "ok" and call["text"] == whole]
            finals = len({call["message"] for call in messages})
            found.append(Seen(self._asked[number], moments, shown, told, shut, finals))
        return found


class DiscordRun(Run):
    """The same on Discord: its limits told in headers, which the library obeys; a stand-in in this very process."""

    async def play(self) -> list[Seen]:
        """Ask every conversation its question, wait for all last words, and read what was shown when."""
        case = self.case
        model = await _process("-m", "benchmarks.streaming_model", *self._model())
        address = json.loads(await _line(model))["address"]
        limits = Limits(5, 5.0, everywhere=ALL["discord"], storm=case.storm)
        async with DiscordStandIn() as discord, aiohttp.ClientSession() as session:
            people = [discord.person(number, f"P{number}", "en-US") for number in range(1, case.conversations + 1)]
            for number, person in enumerate(people, start=1):
                discord.channels[channel_of(number)] = Channel(channel_of(number), recipient=person.id)
            environment = {
                "TUNETELLER_DATA_DIR": str(self._folder),
                "TUNETELLER_WEB_PORT": "0",
                "TUNETELLER_LOG_LEVEL": "error",
                "DISCORD_BOT_TOKEN": discord.token,
                "DISCORD_API_BASE": discord.api_base,
            }
            command = ("-m", "benchmarks.streaming_bot", address, str(self._tokens), str(len(people)), "0", "discord")
            bot = await _process(*command, environment=environment)
            try:
                assert "ready" in await _line(bot)
                await discord.wait_for(lambda: discord.gateway.connected, 60)
                discord.limits = limits
                await self._ask(discord, people, psutil.Process(bot.pid))
                async with session.get(f"{address}/log") as response:
                    return self._shown(discord, await response.json())
            finally:
                for process in (bot, model):
                    assert process.stdin is not None
                    process.stdin.close()
                    await process.wait()

    async def _ask(self, discord: DiscordStandIn, people: list[Person], process: psutil.Process) -> None:
        await asyncio.sleep(2)
        self.idle_memory = process.memory_info().rss
        before = sum(process.cpu_times()[:2])
        for number, person in enumerate(people, start=1):
            self._asked[number] = time.monotonic()
            await person.says(f"question {number}")
            await asyncio.sleep(1 / STARTS_PER_SECOND)
        whole = self._whole()
        while not all(any(shown.body["content"] == whole for shown in discord.messages(each)) for each in people):
            await asyncio.sleep(0.5)
            self.peak_memory = max(self.peak_memory, process.memory_info().rss)
        self.cpu = sum(process.cpu_times()[:2]) - before
        await asyncio.sleep(6)

    def _shown(self, discord: DiscordStandIn, begun: dict[str, float]) -> list[Seen]:
        whole = self._whole()
        calls = [call for call in discord.timeline if call.route in ("POST messages", "PATCH message")]
        self.earned = sum(call.status == 429 and not call.storm for call in calls)
        found = []
        for number in range(1, self.case.conversations + 1):
            mine = [call for call in calls if call.path.startswith(f"channels/{channel_of(number)}/")]
            start = begun[f"question {number}"]
            moments = np.repeat(start + np.arange(self._tokens) / RATE, self._width)[: len(whole)]
            shown = [
                (call.at, len(call.body["content"]))
                for call in mine
                if call.status == 200 and whole.startswith(call.body["content"])
            ]
            plain = [
                {"verdict": "storm" if call.storm else "ok", "arrived": call.at, "retry_after": call.storm}
                for call in mine
                if call.storm or call.status == 200
            ]
            messages = [each for each in discord.messages(discord.person(number)) if each.body["content"] == whole]
            told = [(call.at, round(call.storm)) for call in mine if call.storm]
            shut = _shut(start, plain, SPACING["discord"])
            found.append(Seen(self._asked[number], moments, shown, told, shut, len(messages)))
        return found


def _shut(start: float, calls: list[dict[str, Any]], spacing: float) -> tuple[tuple[float, float], ...]:
    """The spans in which the oracle that knows the storm may not call a chat because of it.

    A storm refuses a call, whenever that is made: the oracle meets the same refusals after the same success as the bot
    did, and is granted that it met them as early as the limits allow. So after a success that was followed by refusals
    the chat is shut until the pause between two calls and the waits of these refusals are over.
    """
    spans, since, free = [], start - 1.0, start
    for call in calls:
        if call["verdict"] == "ok":
            since, free = call["arrived"], call["arrived"] + spacing
        elif call["verdict"] == "storm":
            free += call["retry_after"]
            spans.append((since, free))
    return tuple(spans)


@dataclass(frozen=True)
class Figures:
    """What a case came to."""

    staleness: float
    calls: float
    earned: int
    lost: int
    doubled: int
    late: float
    first: float
    first_worst: float
    way: float
    way_worst: float


Bounds = tuple[Bound, Bound]


def _bounds(kind: str, seen: list[Seen]) -> Bounds:
    """What the limits allow to somebody who does not know the storm, and to somebody who does."""
    spacing = SPACING[kind]
    answers = [Answer(each.generated, each.shut) for each in seen]
    knowing = bound(answers, spacing, ALL[kind], FIRST_WORDS)
    waits = Counter(wait for each in seen for _, wait in each.told)
    refused, taken = waits.total(), sum(len(each.calls) for each in seen)
    least = knowing
    if refused:
        shares = {wait: count / refused for wait, count in waits.items()}
        schedules = [each.generated for each in seen]
        share = refused / (refused + taken)
        least = storm_bound(schedules, spacing, ALL[kind], FIRST_WORDS, share, shares)
    return least, knowing


def figures(run: Run, seen: list[Seen]) -> Figures:
    """The figures of a case."""
    spacing = SPACING[run.case.kind]
    stale = [staleness(each.generated, each.calls) for each in seen]
    first = [each.calls[0][0] - each.generated[0] for each in seen]
    way = [float(each.generated[0]) - each.asked - FIRST_TOKEN for each in seen]
    return Figures(
        staleness=sum(total for total, _ in stale) / max(1, sum(count for _, count in stale)),
        calls=sum(len(each.calls) for each in seen) / len(seen),
        earned=run.earned,
        lost=sum(each.finals == 0 for each in seen),
        doubled=sum(each.finals > 1 for each in seen),
        late=max(_late(each, spacing) for each in seen),
        first=float(np.median(first)),
        first_worst=max(first),
        way=float(np.median(way)),
        way_worst=max(way),
    )


def _late(seen: Seen, spacing: float) -> float:
    """Seconds from when the platform allowed the last word in this chat to when it came."""
    whole = len(seen.generated)
    final = next((at for at, length in seen.calls if length == whole), None)
    if final is None:
        return float("inf")
    before = max((at for at, length in seen.calls if at < final), default=-1e9)
    told = max((at + wait for at, wait in seen.told if at < final), default=-1e9)
    return final - max(float(seen.generated[-1]), before + spacing, told)


async def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--conversations", type=int, nargs="+", default=[1, 30, 100, 300])
    parser.add_argument("--kinds", nargs="+", choices=list(SPACING), default=list(SPACING))
    parser.add_argument("--storms", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--seconds", type=int, default=60, help="that every answer takes")
    parser.add_argument(
        "--plain", action="store_true", help="without the bounds and the others, which take longer than the runs"
    )
    arguments = parser.parse_args()
    cases = [
        Case(number, kind, storm, arguments.seconds)
        for kind in arguments.kinds
        for number in arguments.conversations
        for storm in arguments.storms
    ]
    played = []
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            run = DiscordRun(case, Path(folder)) if case.kind == "discord" else Run(case, Path(folder))
            seen = await run.play()
        played.append((run, seen))
        _show(run, figures(run, seen))
    if arguments.plain:
        return
    print("\nThe same beside the least, and beside others:", flush=True)
    # Not before the last run: they would take its processor.
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        bounds = [pool.submit(_bounds, run.case.kind, seen) for run, seen in played]
        for (run, seen), least in zip(played, bounds, strict=True):
            _show(run, figures(run, seen), least.result())
            if run.case.kind != "discord":
                _show_peers(run.case, seen)


def _show_peers(case: Case, seen: list[Seen]) -> None:
    """Their paces are written for Telegram."""
    for name, policy in POLICIES.items():
        schedules = [each.generated for each in seen]
        came = play(policy, schedules, group=case.kind == "group", storm=case.storm, seed=1)
        print(
            f"    {name:20} {came.staleness:6.2f} s stale, {came.earned:5} earned 429,"
            f" {came.lost:3} last words lost, {came.calls:5.1f} calls",
            flush=True,
        )


def _show(run: Run, found: Figures, bounds: Bounds | None = None) -> None:
    case = run.case
    tokens = case.conversations * case.tokens
    memory = (run.peak_memory - run.idle_memory) / 1e6 / case.conversations
    beside = calls = ""
    if bounds is not None:
        least, knowing = bounds
        beside = (
            f" = {found.staleness / least.staleness:4.2f} x the least"
            f" ({least.staleness:.2f}; knowing the storm {knowing.staleness:.2f})"
        )
        calls = f" = {found.calls / least.calls:4.2f} x"
    print(
        f"{case.conversations:4} {case.kind:8} {case.storm:4.0%} 429:"
        f" staleness {found.staleness:5.2f} s{beside},"
        f" {found.calls:5.1f} calls{calls}, earned 429 {found.earned},"
        f" last words lost {found.lost}, doubled {found.doubled}, {found.late:.2f} s late at most,"
        f" first words {found.first:.2f} s (worst {found.first_worst:.2f}),"
        f" questions {found.way:.2f} s on their way to the model (worst {found.way_worst:.2f}),"
        f" {run.cpu / tokens * 1000:.3f} CPU s/1000 tokens, {memory:.2f} MB each",
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(main())
