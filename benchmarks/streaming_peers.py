"""How others pace their edits, as small policies in a time of their own, under the same limits and schedules.

Written from what they do, not from their code: by characters (chatgpt-telegram-bot: an edit for every so many
characters, more of them as the text grows, and five more after every 429), by a clock that all chats share (llmcord:
one second since the last edit of any), and by 1.1 or 3.1 seconds in each chat without regard for the sum of all
(the Vercel SDK: frames are skipped while a chat is told to wait, the last word waits for it and is tried twice, but
is given up when it would have to wait for more than five seconds).
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from benchmarks.streaming_oracle import Numbers
from tests.fakes.telegram.flood import Flood, Rules, Verdict

_TRIP = 0.05  # seconds that a call takes


@dataclass
class Chat:
    """One answer as a policy sees it: how much there is, how much is shown, until when it was told to wait."""

    number: int
    group: bool
    generated: Numbers
    shown: int = 0
    told_until: float = 0.0
    last_at: float = -1e9
    waits: int = 0
    tries: int = 0
    over: bool = False
    calls: list[tuple[float, int]] = field(default_factory=list)


@dataclass(frozen=True)
class Outcome:
    """What came of a policy: mean staleness in seconds of what was shown, earned 429, last words never shown."""

    staleness: float
    earned: int
    lost: int
    calls: float


# When a chat may make its next call, from the state of all: a moment, or None for "ask again when more was said".
Policy = Callable[[Chat, int, float, "World"], float | None]


@dataclass
class World:
    """What chats share."""

    last_at: float = -1e9


def by_characters(chat: Chat, there: int, now: float, world: World) -> float | None:
    """An edit for every so many new characters."""
    steps = (50, 90, 120, 180) if chat.group else (15, 25, 45, 90)
    size = steps[0] if there <= 50 else steps[1] if there <= 200 else steps[2] if there <= 1000 else steps[3]
    if there == len(chat.generated) or there - chat.shown > size + 5 * chat.waits:
        return max(now, chat.told_until)
    return None


def by_one_clock(chat: Chat, there: int, now: float, world: World) -> float | None:
    """One second since anybody's last edit."""
    return max(now, chat.told_until, world.last_at + 1.0)


def by_each_chat(chat: Chat, there: int, now: float, world: World) -> float | None:
    """1.1 or 3.1 seconds since this chat's last edit; a last word is tried twice and waits five seconds at most."""
    if there == len(chat.generated) and (chat.told_until - now > 5.0 or chat.tries >= 2):
        chat.over = True
        return None
    return max(chat.last_at + (3.1 if chat.group else 1.1), chat.told_until)


def play(policy: Policy, schedules: list[Numbers], *, group: bool, storm: float, seed: int) -> Outcome:
    """Let every chat follow the policy."""
    clock = [0.0]
    flood = Flood(Rules(storm=storm, seed=seed), lambda: clock[0])
    world, earned = World(), 0
    chats = [Chat(number, group, times) for number, times in enumerate(schedules)]
    events = [(float(chat.generated[0]), chat.number) for chat in chats]
    heapq.heapify(events)
    while events:
        now, number = heapq.heappop(events)
        chat = chats[number]
        clock[0] = now
        there = int(np.searchsorted(chat.generated, now, side="right"))
        if chat.over or (chat.shown == there == len(chat.generated)):
            continue
        when = policy(chat, there, now, world) if there > chat.shown else None
        if chats[number].over:
            continue
        if when is None:
            # As soon as one more character is there.
            when = float(chat.generated[there]) if there < len(chat.generated) else now + 0.01
        if when > now:
            heapq.heappush(events, (when, number))
            continue
        verdict, seconds = flood.judge(-number - 1 if group else number + 1)
        chat.last_at = world.last_at = now
        if verdict is Verdict.OK:
            chat.shown = there
            chat.calls.append((now, there))
        else:
            earned += verdict is not Verdict.STORM
            chat.told_until = now + seconds
            chat.waits += 1
            chat.tries += there == len(chat.generated)
        heapq.heappush(events, (now + _TRIP, number))
    stale = [staleness(chat.generated, chat.calls) for chat in chats]
    total = sum(seconds for seconds, _ in stale)
    count = sum(number for _, number in stale)
    lost = sum(chat.shown < len(chat.generated) for chat in chats)
    return Outcome(total / max(1, count), earned, lost, sum(len(chat.calls) for chat in chats) / len(chats))


def staleness(generated: Numbers, calls: list[tuple[float, int]]) -> tuple[float, int]:
    """Seconds in all that characters waited until a call showed them, and how many were shown."""
    total, before = 0.0, 0
    for at, length in calls:
        if length > before:
            total += float((at - generated[before:length]).sum())
            before = length
    return total, before


POLICIES: dict[str, Policy] = {
    "by characters": by_characters,
    "by one clock": by_one_clock,
    "by each chat alone": by_each_chat,
}
