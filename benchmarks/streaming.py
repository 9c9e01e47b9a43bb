"""How well answers stream: ``python -m benchmarks.streaming [--conversations 1 30 100 300] [--kinds private group]``.

The real bot (all of it, in a process of its own) between a model server that generates 30 tokens a second for every
question at once, and a stand-in of the Bot API over HTTP that enforces Telegram's pace (a message a second to a chat,
20 a minute to a group, 30 a second in all) and answers a share of calls 429, 1 to 5 seconds, for no reason.

Prints for each case: **staleness**, the mean time from a character's generation to its being shown, beside the least
that any schedule within the limits can reach (see :mod:`benchmarks.streaming_oracle`); calls that were answered 429
for being too early; last words that never came, or came twice; how late last words came after the moment from which
the chat, if it stood alone, could have taken them; the time from an answer's first token to its first words; calls
made for each that the oracle makes; processor seconds for each 1,000 tokens; memory for each conversation. And, under
the same limits in a simulated time, how others would have fared (see :mod:`benchmarks.streaming_peers`).
"""

import argparse
import asyncio
import json
import os
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
import psutil

from benchmarks.streaming_model import token
from benchmarks.streaming_oracle import Answer, Bound, bound
from benchmarks.streaming_peers import POLICIES, play, staleness

RATE = 30.0
PER_SECOND = 30
SPACING = {"private": 1.1, "group": 3.1}
# Each answer fits one message.
CHARACTERS = 3600
STARTS_PER_SECOND = 10
FIRST_WORDS = 1.2
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
        return max(1, CHARACTERS // self.tokens)


@dataclass(frozen=True)
class Seen:
    """One conversation: generation times of characters, and calls that showed so many of them."""

    generated: Any
    calls: list[tuple[float, int]]
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

    def _chat(self, number: int) -> int:
        return number if self.case.kind == "private" else -number

    async def play(self) -> list[Seen]:
        """Ask every conversation its question, wait for all last words, and read what was shown when."""
        case = self.case
        model = await _process("-m", "benchmarks.streaming_model", "--rate", str(RATE), "--width", str(self._width))
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
            shut = _shut(start, mine, SPACING[self.case.kind])
            messages = [call for call in mine if call["verdict"] == "ok" and call["text"] == whole]
            found.append(Seen(moments, shown, shut, len({call["message"] for call in messages})))
        return found


def _shut(start: float, calls: list[dict[str, Any]], spacing: float) -> tuple[tuple[float, float], ...]:
    """The spans in which the oracle may not call a chat because of the storm.

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
    bound: Bound
    calls: float
    earned: int
    lost: int
    doubled: int
    late: float
    first: float
    first_worst: float


def figures(run: Run, seen: list[Seen]) -> Figures:
    """The figures of a case."""
    spacing = SPACING[run.case.kind]
    stale = [staleness(each.generated, each.calls) for each in seen]
    answers = [Answer(each.generated, each.shut) for each in seen]
    least = bound(answers, spacing, PER_SECOND, FIRST_WORDS)
    first = [each.calls[0][0] - each.generated[0] for each in seen]
    return Figures(
        staleness=sum(total for total, _ in stale) / max(1, sum(count for _, count in stale)),
        bound=least,
        calls=sum(len(each.calls) for each in seen) / len(seen),
        earned=run.earned,
        lost=sum(each.finals == 0 for each in seen),
        doubled=sum(each.finals > 1 for each in seen),
        late=max(_late(each, spacing) for each in seen),
        first=float(np.median(first)),
        first_worst=max(first),
    )


def _late(seen: Seen, spacing: float) -> float:
    """Seconds from when the chat could have taken the last word to when it came."""
    whole = len(seen.generated)
    final = next((at for at, length in seen.calls if length == whole), None)
    if final is None:
        return float("inf")
    before = max((at for at, length in seen.calls if at < final), default=-1e9)
    shut = max((stop for start, stop in seen.shut if start < final), default=-1e9)
    return final - max(float(seen.generated[-1]), before + spacing, shut)


async def main() -> None:
    """Entry point."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--conversations", type=int, nargs="+", default=[1, 30, 100, 300])
    parser.add_argument("--kinds", nargs="+", choices=list(SPACING), default=list(SPACING))
    parser.add_argument("--storms", type=float, nargs="+", default=[0.0, 0.3])
    parser.add_argument("--seconds", type=int, default=60, help="that every answer takes")
    arguments = parser.parse_args()
    cases = [
        Case(number, kind, storm, arguments.seconds)
        for kind in arguments.kinds
        for number in arguments.conversations
        for storm in arguments.storms
    ]
    for case in cases:
        with tempfile.TemporaryDirectory() as folder:
            run = Run(case, Path(folder))
            seen = await run.play()
        _show(run, figures(run, seen))
        for name, policy in POLICIES.items():
            group = case.kind == "group"
            came = play(policy, [each.generated for each in seen], group=group, storm=case.storm, seed=1)
            print(
                f"    {name:20} {came.staleness:6.2f} s stale, {came.earned:5} earned 429,"
                f" {came.lost:3} last words lost, {came.calls:5.1f} calls",
                flush=True,
            )


def _show(run: Run, found: Figures) -> None:
    case = run.case
    tokens = case.conversations * case.tokens
    memory = (run.peak_memory - run.idle_memory) / 1e6 / case.conversations
    ratio, calls = found.staleness / found.bound.staleness, found.calls / found.bound.calls
    print(
        f"{case.conversations:4} {case.kind:8} {case.storm:4.0%} 429:"
        f" staleness {found.staleness:5.2f} s = {ratio:4.2f} x the least"
        f" ({found.bound.staleness:.2f}),"
        f" {found.calls:5.1f} calls = {calls:4.2f} x, earned 429 {found.earned},"
        f" last words lost {found.lost}, doubled {found.doubled}, {found.late:.2f} s late at most,"
        f" first words {found.first:.2f} s (worst {found.first_worst:.2f}),"
        f" {run.cpu / tokens * 1000:.3f} CPU s/1000 tokens, {memory:.2f} MB each",
        flush=True,
    )


if __name__ == "__main__":
    asyncio.run(main())
