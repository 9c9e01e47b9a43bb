"""Brings content to platforms at the pace of each place: one worker a chat, one request in flight.

Finals (``send``, ``edit``) are never dropped and are repeated for as long as the platform says "not now". Previews
are: only the newest of a message waits, and a final of the same message replaces it. A chat that is told to slow
down waits alone.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from bot.answering.clock import Clock, SystemClock
from bot.chat.content import Content
from bot.chat.errors import PlatformError, Throttled, Unavailable, Unconfirmed
from bot.chat.places import MessageRef, Place
from bot.chat.platform import Platform

log = logging.getLogger(__name__)

# Wraps one attempt of a send, for those who must know when exactly it is under way.
Around = Callable[[Callable[[], Awaitable[MessageRef]]], Awaitable[MessageRef]]

_FIRST_BACKOFF, _LONGEST_BACKOFF = 1.0, 60.0


class Gate:
    """The sum of all calls to a platform: at most ``per_second``, evenly spaced once a burst is used up."""

    def __init__(self, per_second: float, clock: Clock) -> None:
        self._spacing = 1 / per_second
        self._burst = per_second
        self._clock = clock
        self._free_at = 0.0

    async def pass_through(self) -> None:
        """Return when one more call may be made."""
        now = self._clock.now()
        self._free_at = max(self._free_at, now - self._burst * self._spacing) + self._spacing
        if self._free_at > now:
            await self._clock.sleep(self._free_at - now)


@dataclass(slots=True)
class _Final:
    call: Callable[[], Awaitable[Any]]
    repeatable: bool
    outcome: asyncio.Future[Any]
    replaces: MessageRef | None


@dataclass(slots=True)
class _Lane:
    """All that goes to one chat."""

    platform: Platform
    interval: float
    finals: deque[_Final] = field(default_factory=deque)
    previews: dict[MessageRef, Content] = field(default_factory=dict)
    free_at: float = 0.0
    backoff: float = 0.0
    worker: asyncio.Task[None] | None = None


class Courier:
    """Sends and edits on any of the platforms."""

    def __init__(self, platforms: Mapping[str, Platform], clock: Clock | None = None) -> None:
        self._platforms = platforms
        self._clock = clock or SystemClock()
        self._lanes: dict[tuple[str, str], _Lane] = {}
        self._gates: dict[str, Gate] = {}

    def text_units(self, place: Place) -> int:
        """How long a page may be at this place, in UTF-16 units."""
        return self._platforms[place.platform].limits.text_units

    def progress_interval(self, place: Place) -> float:
        """Least seconds between two edits of a card that only shows progress."""
        return self._platforms[place.platform].limits.progress(place)

    async def typing(self, place: Place) -> None:
        """Show that an answer is being made."""
        await self._platforms[place.platform].typing(place)

    async def send(
        self,
        place: Place,
        content: Content,
        *,
        key: str,
        reply_to: MessageRef | None = None,
        around: Around | None = None,
    ) -> MessageRef:
        """Show something new, in its turn. Raises ``Unconfirmed`` where a repeat could show it twice,
        ``Refused`` and ``Blocked`` as the platform does; waits through everything else. ``around`` is given each
        attempt when its turn has come.
        """
        platform = self._platforms[place.platform]

        def attempt() -> Awaitable[MessageRef]:
            return platform.send(place, content, key=key, reply_to=reply_to)

        reference = await self._enqueue(
            place,
            attempt if around is None else lambda: around(attempt),
            repeatable=platform.limits.repeatable_sends,
            replaces=None,
        )
        assert isinstance(reference, MessageRef)
        return reference

    async def edit(self, ref: MessageRef, content: Content) -> None:
        """Replace what a message shows, for good. Raises ``Vanished``, ``Refused`` and ``Blocked``."""
        platform = self._platforms[ref.place.platform]
        await self._enqueue(ref.place, lambda: platform.edit(ref, content), repeatable=True, replaces=ref)

    def preview(self, ref: MessageRef, content: Content) -> None:
        """Show this soon, unless something newer comes first. Never raises."""
        lane = self._lane(ref.place)
        lane.previews[ref] = content
        self._wake(lane)

    async def close(self) -> None:
        """Drop previews, wait for finals that are on their way for a moment, then stop."""
        workers = []
        for lane in self._lanes.values():
            lane.previews.clear()
            if lane.worker:
                workers.append(lane.worker)
        if workers:
            _, late = await asyncio.wait(workers, timeout=5)
            for worker in late:
                worker.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _enqueue(
        self, place: Place, call: Callable[[], Awaitable[Any]], *, repeatable: bool, replaces: MessageRef | None
    ) -> Any:
        lane = self._lane(place)
        outcome: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        lane.finals.append(_Final(call, repeatable, outcome, replaces))
        if replaces is not None:
            lane.previews.pop(replaces, None)
        self._wake(lane)
        return await outcome

    def _lane(self, place: Place) -> _Lane:
        # By chat and not by thread: a platform counts what goes to a chat.
        key = (place.platform, place.chat)
        if key not in self._lanes:
            platform = self._platforms[place.platform]
            self._lanes[key] = _Lane(platform, platform.limits.interval(place))
        return self._lanes[key]

    def _gate(self, platform: Platform) -> Gate:
        if platform.name not in self._gates:
            self._gates[platform.name] = Gate(platform.limits.calls_per_second, self._clock)
        return self._gates[platform.name]

    def _wake(self, lane: _Lane) -> None:
        if lane.worker is None or lane.worker.done():
            lane.worker = asyncio.get_running_loop().create_task(self._work(lane))

    async def _work(self, lane: _Lane) -> None:
        while lane.finals or lane.previews:
            wait = lane.free_at - self._clock.now()
            if wait > 0:
                await self._clock.sleep(wait)
            await self._gate(lane.platform).pass_through()
            if lane.finals:
                await self._deliver_final(lane)
            elif lane.previews:
                ref = next(iter(lane.previews))
                await self._deliver_preview(lane, ref, lane.previews.pop(ref))

    async def _deliver_final(self, lane: _Lane) -> None:
        final = lane.finals[0]
        if final.outcome.cancelled():
            lane.finals.popleft()
            return
        try:
            result = await final.call()
        except Throttled as error:
            lane.free_at = self._clock.now() + error.retry_after
        except Unavailable:
            self._back_off(lane)
        except Unconfirmed as error:
            if final.repeatable:
                self._back_off(lane)
            else:
                self._settle(lane, final, error)
        except PlatformError as error:
            self._settle(lane, final, error)
        except asyncio.CancelledError:
            final.outcome.cancel()
            raise
        except Exception as error:  # noqa: BLE001 - whoever waits for the outcome must get it, whatever it is
            self._settle(lane, final, error)
        else:
            lane.backoff = 0.0
            self._settle(lane, final, result)

    async def _deliver_preview(self, lane: _Lane, ref: MessageRef, content: Content) -> None:
        try:
            await lane.platform.edit(ref, content)
        except Throttled as error:
            lane.free_at = self._clock.now() + error.retry_after
            lane.previews.setdefault(ref, content)
        except PlatformError as error:
            # The final of this message will meet the same trouble and tell; a preview only costs its time.
            log.info("a preview was not shown: %s", type(error).__name__)
            lane.free_at = self._clock.now() + lane.interval
        else:
            lane.free_at = self._clock.now() + lane.interval

    def _settle(self, lane: _Lane, final: _Final, result: object) -> None:
        lane.finals.popleft()
        lane.free_at = self._clock.now() + lane.interval
        if final.outcome.done():
            return
        if isinstance(result, Exception):
            final.outcome.set_exception(result)
        else:
            final.outcome.set_result(result)

    def _back_off(self, lane: _Lane) -> None:
        lane.backoff = min(max(_FIRST_BACKOFF, lane.backoff * 2), _LONGEST_BACKOFF)
        lane.free_at = self._clock.now() + lane.backoff
