"""Telegram's flood control: what its FAQ says of the pace, and storms of 429 that nobody earned.

The FAQ: about one message a second to a chat with short bursts, twenty a minute to a group, about thirty a second in
all. Edits count as messages do.
"""

import math
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

COUNTED = frozenset(
    {
        "sendMessage",
        "sendPhoto",
        "sendDocument",
        "sendMessageDraft",
        "editMessageText",
        "editMessageCaption",
        "editMessageReplyMarkup",
    }
)
# Waits come from divisions; a millionth of a second is nobody's fault.
_SLACK = 1e-6


class Verdict(StrEnum):
    """What became of a call. ``offence``: it came before the end of a wait that its chat had been told."""

    OK = "ok"
    EARNED = "earned"
    STORM = "storm"
    OFFENCE = "offence"
    # Refused for another reason, or lost by a test's wish.
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Rules:
    """The numbers. ``burst``: calls to one chat beyond one in ``chat_seconds``. ``storm``: a share from 0 to 1."""

    burst: int = 1
    chat_seconds: float = 1.0
    group_calls: int = 20
    group_seconds: float = 60.0
    all_calls: int = 30
    all_seconds: float = 1.0
    storm: float = 0.0
    storm_shortest: int = 1
    storm_longest: int = 5
    seed: int = 0


class _Window:
    """At most ``most`` calls in any ``seconds``."""

    def __init__(self, most: int, seconds: float) -> None:
        self._most = most
        self._seconds = seconds
        self._calls: deque[float] = deque()

    def wait(self, now: float) -> float:
        while self._calls and now - self._calls[0] >= self._seconds - _SLACK:
            self._calls.popleft()
        return 0.0 if len(self._calls) < self._most else self._calls[0] + self._seconds - now

    def take(self, now: float) -> None:
        self._calls.append(now)


class _Bucket:
    """One call in ``seconds``, and ``burst`` more after a rest."""

    def __init__(self, burst: int, seconds: float, now: float) -> None:
        self._most = 1.0 + burst
        self._seconds = seconds
        self._left = self._most
        self._since = now

    def wait(self, now: float) -> float:
        self._left = min(self._most, self._left + (now - self._since) / self._seconds)
        self._since = now
        return 0.0 if self._left >= 1.0 - _SLACK else (1.0 - self._left) * self._seconds

    def take(self) -> None:
        self._left -= 1.0


class Flood:
    """Judges calls as they come. A call that is refused is not counted, as it is not done."""

    def __init__(self, rules: Rules, clock: Callable[[], float] = time.monotonic) -> None:
        self.rules = rules
        self._clock = clock
        self._dice = random.Random(rules.seed)  # noqa: S311 - the same storm every time
        self._chats: dict[int, _Bucket] = {}
        self._groups: dict[int, _Window] = {}
        self._all = _Window(rules.all_calls, rules.all_seconds)
        self._told: dict[int, float] = {}

    def judge(self, chat: int) -> tuple[Verdict, int]:
        """The verdict on a call to this chat now, and the whole seconds that it has to wait."""
        now = self._clock()
        told = self._told.get(chat, now)
        if told - now > _SLACK:
            return Verdict.OFFENCE, math.ceil(told - now)
        wait = self._wait(chat, now)
        if wait > 0.0:
            return self._tell(chat, now, max(1, math.ceil(wait - _SLACK)), Verdict.EARNED)
        if self.rules.storm and self._dice.random() < self.rules.storm:
            seconds = self._dice.randint(self.rules.storm_shortest, self.rules.storm_longest)
            return self._tell(chat, now, seconds, Verdict.STORM)
        self._take(chat, now)
        return Verdict.OK, 0

    def _tell(self, chat: int, now: float, seconds: int, verdict: Verdict) -> tuple[Verdict, int]:
        self._told[chat] = now + seconds
        return verdict, seconds

    def _wait(self, chat: int, now: float) -> float:
        rules = self.rules
        if chat not in self._chats:
            self._chats[chat] = _Bucket(rules.burst, rules.chat_seconds, now)
            self._groups[chat] = _Window(rules.group_calls, rules.group_seconds)
        waits = [self._chats[chat].wait(now), self._all.wait(now)]
        if chat < 0:
            waits.append(self._groups[chat].wait(now))
        return max(waits)

    def _take(self, chat: int, now: float) -> None:
        self._chats[chat].take()
        self._groups[chat].take(now)
        self._all.take(now)
