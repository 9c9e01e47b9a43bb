"""Brings content to platforms at the pace of each chat: one call at a time to a chat, fair between chats.

Whatever goes to a chat (answers, cards, notices) stands in its lane and shares its pace. A chat that is told to wait
waits alone. When the platform's sum of calls is reached, finals go before notices, notices before first words, first
words before placeholders, these before previews, and among equals whoever has waited longest.

Finals (``send``, ``edit``, the end of a :class:`Show`) are never dropped and are repeated for as long as the platform
says "not now". A preview is whatever is newest when its turn comes.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from functools import partial
from typing import Protocol

from bot.answering.budget import Budget
from bot.answering.clock import Clock, SystemClock
from bot.chat.content import Content
from bot.chat.errors import PlatformError, Throttled, Unavailable, Unconfirmed
from bot.chat.places import MessageRef, Place
from bot.chat.platform import Platform, Signing

log = logging.getLogger(__name__)

# Wraps one attempt of a send, for those who must know when exactly it is under way.
Around = Callable[[Callable[[], Awaitable[MessageRef]]], Awaitable[MessageRef]]
# What is to be done about a call that succeeded, before the next one to its chat; it must not raise.
Sequel = Callable[[], Awaitable[None]]
Call = Callable[[], Awaitable[Sequel | None]]

_FIRST_BACKOFF, _LONGEST_BACKOFF = 1.0, 60.0


class Urgency(IntEnum):
    """Who goes first when not everybody can."""

    FINAL = 0
    NOTICE = 1
    FIRST = 2
    PLACEHOLDER = 3
    PREVIEW = 4


class Show(Protocol):
    """Something whose newest state is to be seen in one chat."""

    def due(self) -> tuple[Urgency, float] | None:
        """How urgent its next call is, and from when on it may be made; None: nothing is to be shown for now."""
        ...

    def take(self) -> Call | None:
        """The next call, made of the newest state; None if there turns out to be nothing new. Called once a turn."""
        ...

    def fail(self, error: Exception) -> bool:
        """The call that was taken failed, not for being too early. True: it is to be tried again after a while."""
        ...

    @property
    def over(self) -> bool:
        """Whether nothing will come any more."""
        ...


@dataclass(slots=True, eq=False)
class _Once:
    """One call that somebody waits for."""

    call: Callable[[], Awaitable[MessageRef | None]]
    urgency: Urgency
    since: float
    repeatable: bool
    outcome: asyncio.Future[MessageRef | None]
    clock: Clock
    # A repeat is harmless for so long after the first attempt.
    repeat_seconds: float = float("inf")
    first: float | None = None
    # As how many messages it counts.
    messages: int = 1

    def due(self) -> tuple[Urgency, float] | None:
        return None if self.over else (self.urgency, self.since)

    def take(self) -> Call:
        return self._make

    async def _make(self) -> Sequel | None:
        if self.first is None:
            self.first = self.clock.now()
        result = await self.call()
        if not self.outcome.done():
            self.outcome.set_result(result)
        return None

    def fail(self, error: Exception) -> bool:
        if self.repeatable and isinstance(error, Unconfirmed) and self._in_time():
            return True
        if not self.outcome.done():
            self.outcome.set_exception(error)
        return False

    def _in_time(self) -> bool:
        return self.first is not None and self.clock.now() - self.first < self.repeat_seconds

    @property
    def over(self) -> bool:
        return self.outcome.done()


@dataclass(slots=True, eq=False)
class _Preview:
    """The newest state of a message that nobody waits for."""

    platform: Platform
    ref: MessageRef
    content: Content
    since: float
    over: bool = False

    def due(self) -> tuple[Urgency, float] | None:
        return None if self.over else (Urgency.PREVIEW, self.since)

    def take(self) -> Call:
        return partial(self._make, self.content)

    async def _make(self, content: Content) -> Sequel | None:
        await self.platform.edit(self.ref, content)
        self.over = self.content is content
        return None

    def fail(self, error: Exception) -> bool:
        # The final of this message will meet the same trouble and tell; a preview only costs its time.
        log.info("a preview was not shown: %s", type(error).__name__)
        self.over = True
        return False


@dataclass(slots=True, eq=False)
class _Lane:
    """All that goes to one chat. ``free_at``: no call before."""

    interval: float
    shows: list[Show] = field(default_factory=list)
    free_at: float = 0.0
    backoff: float = 0.0
    busy: bool = False

    def next(self, now: float) -> tuple[Urgency, float, Show] | None:
        """What may go now and most urgently, else what may go first."""
        ready: tuple[Urgency, float, Show] | None = None
        later: tuple[Urgency, float, Show] | None = None
        for show in self.shows:
            wanted = show.due()
            if wanted is None:
                continue
            urgency, at = wanted[0], max(wanted[1], self.free_at)
            if at > now:
                later = (urgency, at, show) if later is None or at < later[1] else later
            elif ready is None or wanted < ready[:2]:
                ready = (*wanted, show)
        return ready or later


@dataclass(slots=True, eq=False)
class _Post:
    """All that goes to one platform."""

    platform: Platform
    budget: Budget
    lanes: dict[str, _Lane] = field(default_factory=dict)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    calls: set[asyncio.Task[None]] = field(default_factory=set)
    clerk: asyncio.Task[None] | None = None


class Courier:
    """Sends and edits on any of the platforms."""

    def __init__(self, platforms: Mapping[str, Platform], clock: Clock | None = None) -> None:
        self._platforms = platforms
        self.clock = clock or SystemClock()
        self._posts: dict[str, _Post] = {}
        self._processes = 1

    def shared_by(self, processes: int) -> None:
        """So many processes send on the same platforms now: the sums of calls are divided among them."""
        if processes != self._processes:
            self._processes = processes
            for post in self._posts.values():
                post.budget.divide(processes)

    def platform(self, place: Place) -> Platform:
        """The platform of a place."""
        return self._platforms[place.platform]

    def progress_interval(self, place: Place) -> float:
        """Least seconds between two edits of a card that only shows progress."""
        return self.platform(place).limits.progress(place)

    def crowded(self, place: Place) -> bool:
        """Whether so much goes to a platform that everything there should be worth its call."""
        return not self._post(place).budget.spare(self.clock.now())

    async def typing(self, place: Place) -> None:
        """Show that an answer is being made, unless more important things are on their way."""
        if not self.crowded(place):
            await self.platform(place).typing(place)

    async def send(
        self,
        place: Place,
        content: Content,
        *,
        key: str,
        reply_to: MessageRef | None = None,
        around: Around | None = None,
        passing: bool = False,
    ) -> MessageRef:
        """Show something new, in its turn. Raises ``Unconfirmed`` where a repeat could show it twice,
        ``Refused`` and ``Blocked`` as the platform does; waits through everything else. ``around`` is given each
        attempt when its turn has come. ``passing``: it will be replaced and may well be seen twice.
        """
        platform = self.platform(place)

        def attempt() -> Awaitable[MessageRef]:
            return platform.send(place, content, key=key, reply_to=reply_to)

        call = attempt if around is None else lambda: around(attempt)
        limits = platform.limits
        repeat = float("inf") if passing else limits.repeat_seconds
        repeatable = passing or limits.repeatable_sends
        messages = limits.messages(content)
        reference = await self._once(
            place, call, Urgency.NOTICE, repeatable=repeatable, repeat_seconds=repeat, messages=messages
        )
        assert reference is not None
        return reference

    async def edit(self, ref: MessageRef, content: Content) -> None:
        """Replace what a message shows, for good. Raises ``Vanished``, ``Refused`` and ``Blocked``."""
        platform = self.platform(ref.place)
        for show in self._lane(ref.place).shows:
            if isinstance(show, _Preview) and show.ref == ref:
                show.over = True
        await self._once(ref.place, lambda: platform.edit(ref, content), Urgency.NOTICE, repeatable=True)

    async def sign(self, ref: MessageRef, *, good: bool) -> None:
        """Give a message a sign, where its platform has any. Raises ``Vanished``, ``Refused`` and ``Blocked``."""
        platform = self.platform(ref.place)
        if isinstance(platform, Signing):
            await self._once(ref.place, lambda: platform.sign(ref, good=good), Urgency.NOTICE, repeatable=True)

    def preview(self, ref: MessageRef, content: Content) -> None:
        """Show this soon, unless something newer comes first. Never raises."""
        lane = self._lane(ref.place)
        for show in lane.shows:
            if isinstance(show, _Preview) and show.ref == ref and not show.over:
                show.content = content
                return
        self.show(ref.place, _Preview(self.platform(ref.place), ref, content, self.clock.now()))

    def show(self, place: Place, show: Show) -> None:
        """Put something into a chat's lane; it stays until it is over."""
        self._lane(place).shows.append(show)
        self.wake(place)

    def wake(self, place: Place) -> None:
        """Something in this chat's lane has become due, or more urgent."""
        post = self._post(place)
        post.wake.set()
        if post.clerk is None:
            post.clerk = asyncio.get_running_loop().create_task(self._serve(post))

    def busy(self, platform: str, chat: str) -> bool:
        """Whether something is on its way to a chat, or must wait there."""
        post = self._posts.get(platform)
        lane = post.lanes.get(chat) if post else None
        return lane is not None and (lane.busy or bool(lane.shows) or lane.free_at > self.clock.now())

    def abandon(self, platform: str, chat: str) -> None:
        """Another process has this chat: nothing more goes there from here."""
        post = self._posts.get(platform)
        lane = post.lanes.get(chat) if post else None
        for show in lane.shows if lane else ():
            if isinstance(show, _Once) and not show.outcome.done():
                show.outcome.cancel()
        if lane is not None:
            lane.shows.clear()

    async def close(self, seconds: float) -> None:
        """Drop previews, wait for finals that are on their way, for so long at most, then stop."""
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds
        for post in self._posts.values():
            for lane in post.lanes.values():
                lane.shows = [show for show in lane.shows if isinstance(show, _Once)]
            waiting = [show.outcome for lane in post.lanes.values() for show in lane.shows if isinstance(show, _Once)]
            if waiting:
                await asyncio.wait(waiting, timeout=max(0.0, until - loop.time()))
            if post.calls:
                await asyncio.wait(post.calls, timeout=max(0.0, until - loop.time()))
        for post in self._posts.values():
            ending = [*post.calls, *([post.clerk] if post.clerk else [])]
            for task in ending:
                task.cancel()
            await asyncio.gather(*ending, return_exceptions=True)
            for lane in post.lanes.values():
                for show in lane.shows:
                    if isinstance(show, _Once) and not show.outcome.done():
                        show.outcome.cancel()
        self._posts.clear()

    async def _once(
        self,
        place: Place,
        call: Callable[[], Awaitable[MessageRef | None]],
        urgency: Urgency,
        *,
        repeatable: bool,
        repeat_seconds: float = float("inf"),
        messages: int = 1,
    ) -> MessageRef | None:
        outcome: asyncio.Future[MessageRef | None] = asyncio.get_running_loop().create_future()
        now = self.clock.now()
        once = _Once(call, urgency, now, repeatable, outcome, self.clock, repeat_seconds, messages=messages)
        self.show(place, once)
        return await outcome

    def _post(self, place: Place) -> _Post:
        if place.platform not in self._posts:
            platform = self._platforms[place.platform]
            post = self._posts[place.platform] = _Post(platform, Budget(platform.limits.calls_per_second))
            post.budget.divide(self._processes)
        return self._posts[place.platform]

    def _lane(self, place: Place) -> _Lane:
        # By chat and not by thread: a platform counts what goes to a chat.
        post = self._post(place)
        if place.chat not in post.lanes:
            post.lanes[place.chat] = _Lane(post.platform.limits.interval(place))
        return post.lanes[place.chat]

    async def _serve(self, post: _Post) -> None:
        """Give every call its turn, for ever."""
        while True:
            post.wake.clear()
            now = self.clock.now()
            turn, later = self._choose(post, now)
            if turn is None:
                await self._pause(post, None if later is None else later - now)
                continue
            wait = post.budget.wait(now)
            if wait is None or wait > 0:
                # Whoever is most urgent then goes, be it somebody who comes meanwhile.
                await self._pause(post, wait)
                continue
            lane, show = turn
            try:
                call = show.take()
            except Exception as error:  # noqa: BLE001 - whatever it is, everybody else's words go on
                # A text that cannot be made into a message is its answer's trouble, and nobody else's.
                log.warning("what was to be shown could not be made: %s", type(error).__name__)
                show.fail(error)
                lane.shows = [each for each in lane.shows if not each.over]
                self._back_off(lane)
                continue
            if call is None:
                continue
            post.budget.begin(now)
            lane.busy = True
            task = asyncio.get_running_loop().create_task(self._make(post, lane, show, call))
            post.calls.add(task)
            task.add_done_callback(post.calls.discard)

    def _choose(self, post: _Post, now: float) -> tuple[tuple[_Lane, Show] | None, float | None]:
        """Whose turn it is; else when that may change by itself."""
        best: tuple[Urgency, float, _Lane, Show] | None = None
        later: float | None = None
        idle = []
        for chat, lane in post.lanes.items():
            if lane.busy:
                continue
            wanted = lane.next(now)
            if wanted is None:
                if lane.free_at <= now:
                    lane.shows = [show for show in lane.shows if not show.over]
                    if not lane.shows:
                        idle.append(chat)
                continue
            urgency, at, show = wanted
            if at > now:
                later = at if later is None else min(later, at)
            elif best is None or (urgency, at) < best[:2]:
                best = (urgency, at, lane, show)
        for chat in idle:
            del post.lanes[chat]
        return (None if best is None else best[2:]), later

    async def _pause(self, post: _Post, seconds: float | None) -> None:
        if seconds is None:
            await post.wake.wait()
            return
        woken = asyncio.ensure_future(post.wake.wait())
        timer = asyncio.ensure_future(self.clock.sleep(seconds))
        try:
            await asyncio.wait({woken, timer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (woken, timer):
                task.cancel()
            await asyncio.gather(woken, timer, return_exceptions=True)

    async def _make(self, post: _Post, lane: _Lane, show: Show, call: Call) -> None:
        begun = self.clock.now()
        try:
            sequel = await self._counted(post, call)
        except Throttled as error:
            now = self.clock.now()
            # Where more want to be called than may be, the queue is margin enough.
            margin = post.platform.limits.wait_margin if post.budget.spare(now) else 0.0
            lane.free_at = now + error.retry_after + margin
        except Unavailable:
            self._back_off(lane)
        except Exception as error:  # noqa: BLE001 - whoever waits for the outcome must get it, whatever it is
            if show.fail(error):
                self._back_off(lane)
            else:
                lane.free_at = max(begun + lane.interval, self.clock.now() + lane.interval - self._jitter(post, lane))
            if not isinstance(error, PlatformError):
                log.warning("a call failed by a mistake of ours: %s", type(error).__name__)
        else:
            lane.backoff = 0.0
            pause = lane.interval * (show.messages if isinstance(show, _Once) else 1)
            lane.free_at = max(begun + pause, self.clock.now() + pause - self._jitter(post, lane))
            if sequel is not None:
                await sequel()
        finally:
            lane.busy = False
            with suppress(ValueError):
                if show.over:
                    lane.shows.remove(show)
            post.wake.set()

    async def _counted(self, post: _Post, call: Call) -> Sequel | None:
        """The sum of calls is free again when the platform has answered, whatever is done about the answer."""
        done = True
        try:
            return await call()
        except Throttled:
            done = False
            raise
        finally:
            post.budget.end(self.clock.now(), done=done)
            post.wake.set()

    def _jitter(self, post: _Post, lane: _Lane) -> float:
        return min(post.platform.limits.jitter, lane.interval)

    def _back_off(self, lane: _Lane) -> None:
        lane.backoff = min(max(_FIRST_BACKOFF, lane.backoff * 2), _LONGEST_BACKOFF)
        lane.free_at = self.clock.now() + lane.backoff
