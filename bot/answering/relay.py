"""One answer on its way from a model to a chat: the pages that are wanted here, against those that were delivered.

The model is read by the caller; :meth:`Relay.grow` only keeps what it is given and never waits for the chat. When the
chat's turn comes, the newest text is made into pages, and the first page that does not show what it should is sent or
edited. Pages that are full are sealed; the last one is previewed until :meth:`Relay.finish` makes it final.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from functools import partial

from bot.answering.courier import Call, Courier, Sequel, Urgency
from bot.answering.pages import Outdent, cut
from bot.answering.prefix import balanced, completed
from bot.chat.content import Answer, AnswerState, Button
from bot.chat.errors import PlatformError, Refused, Unconfirmed, Vanished
from bot.chat.places import MessageRef, Place
from bot.chat.platform import Drafting

log = logging.getLogger(__name__)

Buttons = tuple[tuple[Button, ...], ...]
# Told that a page has a message: the page's number from 0, and the message.
Shown = Callable[[int, MessageRef], Awaitable[None]]

# A first word waits so long for company; what it waits for its turn then, in a crowd, comes on top of that.
_FIRST_WAIT = 0.8
# A draft is shown anew after so much of its life, whether something came meanwhile or not.
_DRAFT_LIFE = 2 / 3
# A page is sealed when so much follows that an open mark at its end would have been closed.
_SLACK = 200


@dataclass(slots=True)
class _Delivered:
    """What a page's message shows. ``tried``: the send that may have been taken: its key, content and moment."""

    ref: MessageRef | None = None
    content: Answer | None = None
    tried: tuple[str, Answer, float] | None = None


class Relay:
    """Shows one answer. ``ref`` is the message of its last page, once there is one."""

    def __init__(
        self,
        courier: Courier,
        place: Place,
        key: str,
        stop: Buttons = (),
        reply_to: MessageRef | None = None,
        shown: Shown | None = None,
    ) -> None:
        self._courier = courier
        self._place = place
        self._platform = courier.platform(place)
        self._key = key
        self._stop = stop
        self._reply_to = reply_to
        self._told = shown
        self._sealed: list[str] = []
        self._rest = ""
        self._fresh: list[str] = []
        # What the pages before have in store for what comes.
        self._outdents: list[Outdent] = []
        self._instead = ""
        self._thoughts: list[str] = []
        self._note = ""
        self._pages: list[_Delivered] = []
        self._sends = 0
        self._begun_at = 0.0
        self._first_at: float | None = None
        # Since when something is not shown; and which state that is, which is under way, which stands in the chat.
        self._changed_at: float | None = None
        self._version = self._under_way = self._standing = 0
        self._bringing: tuple[int, Answer] | None = None
        self._units = 0
        self._last: tuple[str, Buttons] | None = None
        # What cannot be known or shown of a page, while others can.
        self._doubt: PlatformError | None = None
        self._outcome: asyncio.Future[PlatformError | None] = asyncio.get_running_loop().create_future()
        self._words_shown = False
        self._drafts = isinstance(self._platform, Drafting)
        # When the draft that is seen was shown.
        self._drafted_at: float | None = None

    # What the caller does.

    def begin(self, note: str) -> None:
        """The answer is awaited; ``note`` says so once that has taken a moment."""
        self._note = note
        self._begun_at = self._courier.clock.now()
        self._courier.show(self._place, self)

    def resume(self, text: str, page: int, ref: MessageRef) -> None:
        """Go on with an answer whose page (number from 0) stands in a message: pages before it are left alone."""
        self._fresh = [text]
        self._version += 1
        self._paginate(final=True)
        while len(self._sealed) < page:
            # Less was kept than was shown: the message keeps its place and loses its words.
            self._sealed.append(self._rest)
            self._rest = ""
        self._pages = [_Delivered(None, Answer(each, AnswerState.DONE)) for each in self._sealed[:page]]
        self._pages.append(_Delivered(ref))
        self._words_shown = True
        self._courier.show(self._place, self)

    def grow(self, text: str) -> None:
        """Some more text came. Returns at once."""
        if not text:
            return
        self._fresh.append(text)
        self._touch()
        if self._words_shown:
            return
        before, enough = self._units, self._platform.limits.first_units
        self._units += len(text)
        if self._first_at is None and not text.isspace():
            self._first_at = self._courier.clock.now()
            self._courier.wake(self._place)
        elif before < enough <= self._units:
            self._courier.wake(self._place)

    def _touch(self) -> None:
        self._version += 1
        if self._changed_at is None:
            self._changed_at = self._courier.clock.now()
            if self._words_shown:
                self._courier.wake(self._place)

    def think(self, text: str) -> None:
        """Some more of what the model says to itself. Shown folded away, together with its words."""
        self._thoughts.append(text)

    def say(self, note: str) -> None:
        """What is being waited for, as long as there are no words."""
        self._note = note
        self._begun_at = float("-inf")
        self._courier.wake(self._place)

    def drop(self, characters: int) -> None:
        """Take back what was said last, as far as no full page holds it."""
        self._paginate(final=False)
        self._rest = self._rest[: max(0, len(self._rest) - characters)]
        self._touch()

    def restart(self, note: str) -> None:
        """Take back all that was said. Where more pages were full than come now, ``note`` stands in their messages."""
        self._sealed, self._rest, self._fresh, self._outdents = [], "", [], []
        self._instead = note
        self._touch()

    async def finish(self, note: str, buttons: Buttons) -> PlatformError | None:
        """Deliver the last word. What stands in its way for good is returned: the text is the caller's to keep."""
        self._last = (note, buttons)
        self._touch()
        self._courier.wake(self._place)
        return await self._outcome

    def abandon(self) -> None:
        """Stop without a last word (the process is ending)."""
        self._end(None)

    @property
    def ref(self) -> MessageRef | None:
        """The message of the last page that has one."""
        return next((page.ref for page in reversed(self._pages) if page.ref is not None), None)

    # What the courier asks.

    @property
    def over(self) -> bool:
        """Whether nothing will be shown any more."""
        return self._outcome.done()

    def due(self) -> tuple[Urgency, float] | None:
        """See :class:`bot.answering.courier.Show`."""
        if self.over:
            return None
        if self._last is not None:
            return Urgency.FINAL, self._changed_at or 0.0
        if self._words_shown:
            at = self._fades_at() if self._changed_at is None else self._changed_at
            return None if at is None else (Urgency.PREVIEW, at)
        noted = self._pages and self._shows_note()
        waiting = self._fades_at() if noted else self._begun_at + self._placeholder()
        if self._first_at is None:
            return None if waiting is None else (Urgency.PLACEHOLDER, waiting)
        # In a crowd a first message is worth more with some more words in it.
        crowded = self._courier.crowded(self._place)
        enough = self._units >= self._platform.limits.first_units and not crowded
        words = self._first_at + (0.0 if enough else _FIRST_WAIT)
        return Urgency.FIRST, words if crowded or waiting is None else min(waiting, words)

    def _fades_at(self) -> float | None:
        """When what is seen has to be shown anew, if it is a draft."""
        if self._drafted_at is None:
            return None
        return self._drafted_at + self._platform.limits.draft_seconds * _DRAFT_LIFE

    def _placeholder(self) -> float:
        return self._platform.limits.placeholder(self._place)

    def _shows_note(self) -> bool:
        shown = self._pages[0].content
        return shown is not None and shown.note == self._note

    def take(self) -> Call | None:
        """See :class:`bot.answering.courier.Show`."""
        final = self._last is not None
        self._paginate(final=final)
        self._under_way = self._version
        wanted = self._wanted(final=final)
        self._keep_draft(wanted)
        for number, content in enumerate(wanted):
            if number == len(self._pages):
                self._pages.append(_Delivered())
            if self._pages[number].content != content:
                self._bringing = (number, content)
                return partial(self._bring, number, content, more=number + 1 < len(wanted))
        self._stand(more=False)
        return None

    def _keep_draft(self, wanted: list[Answer]) -> None:
        """A draft that is about to go is to be shown anew, unless a message is wanted there, or nothing any more."""
        fades, number = self._fades_at(), len(self._pages) - 1
        if fades is None or fades > self._courier.clock.now():
            return
        if number < len(wanted) and wanted[number].state is not AnswerState.DONE:
            self._pages[number].content = None
        else:
            self._drafted_at = None

    def _stand(self, *, more: bool) -> None:
        """What was taken is shown; ``more`` of it waits for its own turn."""
        if more:
            return
        self._standing = self._under_way
        if self._version == self._standing:
            self._changed_at = None
            if self._last is not None:
                self._end(self._doubt)
        else:
            self._changed_at = self._courier.clock.now()

    def _wanted(self, *, final: bool) -> list[Answer]:
        """The pages as they should stand in the chat now."""
        note, buttons = self._last if self._last is not None else ("", self._stop)
        state = AnswerState.DONE if final else AnswerState.STREAMING
        pages = [Answer(text, AnswerState.DONE) for text in self._sealed]
        rest = self._rest.rstrip()
        if final and not rest and pages and len(self._pages) <= len(pages):
            pages[-1] = replace(pages[-1], note=note, buttons=buttons)
        elif rest or final:
            pages.append(Answer(self._preview(rest, final=final), state, note, buttons))
        elif not pages:
            pages.append(Answer("", AnswerState.WAITING, self._note, self._stop))
        if self._instead:
            pages += [Answer("", AnswerState.DONE, self._instead) for each in self._pages[len(pages) :] if each.ref]
        if self._thoughts and pages[0].state is not AnswerState.WAITING:
            pages[0] = replace(pages[0], thought="".join(self._thoughts).strip())
        return pages

    def _preview(self, rest: str, *, final: bool) -> str:
        """The last page; what is more than a page and not sealed yet waits."""
        if final:
            return balanced(rest)
        full = cut(rest, self._platform.limits.text_units, self._fits)
        return completed(rest if full is None else full.page)

    def _fits(self, page: str) -> bool:
        limits = self._platform.limits
        if len(page) > limits.text_units:
            return False
        extent = self._platform.measure(page)
        # One mark is kept for the note.
        return extent.units <= limits.text_units and extent.marks < limits.marks

    def _paginate(self, *, final: bool) -> None:
        """Seal what is full."""
        if self._fresh:
            text, self._fresh = "".join(self._fresh), []
            for outdent in self._outdents:
                text = outdent.feed(text)
            self._rest += text
        while (full := cut(self._rest, self._platform.limits.text_units, self._fits)) is not None:
            if not final and len(full.rest) < _SLACK:
                return
            self._sealed.append(full.page)
            self._rest = full.rest
            self._outdents = [each for each in (*self._outdents, full.outdent) if each is not None and not each.over]

    async def _bring(self, number: int, content: Answer, *, more: bool) -> Sequel | None:
        page, sequel = self._pages[number], None
        if page.ref is not None:
            try:
                await self._platform.edit(page.ref, content)
            except Vanished:
                # The person deleted the message; the answer is still theirs, in a new one.
                log.info("an answer's message was deleted; it is sent anew")
                page.ref, page.content = None, None
                return None
        elif self._drafts and content.state is not AnswerState.DONE:
            if not await self._draft(number, content):
                return None
        else:
            fresh = (f"{self._key}.{number}.{self._sends + 1}", content, self._courier.clock.now())
            # A repeat has the key of the first attempt, and the message may show what that one had.
            key, first, _ = tried = page.tried or fresh
            reply_to = self._reply_to if number == 0 else None
            try:
                page.ref = await self._platform.send(self._place, content, key=key, reply_to=reply_to)
            except Unconfirmed:
                page.tried = tried
                raise
            self._sends += 1
            # A message takes the draft's place.
            page.tried = self._drafted_at = None
            sequel = partial(self._tell, number, page.ref)
            more = more or first != content
            content = first
        page.content = content
        self._words_shown = self._words_shown or content.state is not AnswerState.WAITING
        self._stand(more=more)
        return sequel

    async def _draft(self, number: int, content: Answer) -> bool:
        assert isinstance(self._platform, Drafting)
        try:
            await self._platform.draft(self._place, content, key=f"{self._key}.{number}")
        except Refused:
            self._drafts = False
            # What was seen of it goes, and has to be shown in a message.
            self._changed_at = self._changed_at or self._courier.clock.now()
        self._drafted_at = self._courier.clock.now() if self._drafts else None
        return self._drafts

    async def _tell(self, number: int, ref: MessageRef) -> None:
        if self._told is None:
            return
        try:
            await self._told(number, ref)
        except Exception:
            # The message is there and goes on; only a restart right now would not find it.
            log.exception("where an answer stands could not be kept")

    def fail(self, error: Exception) -> bool:
        """See :class:`bot.answering.courier.Show`."""
        if not isinstance(error, PlatformError):
            self._end(Refused(type(error).__name__))
            return False
        assert self._bringing is not None
        number, content = self._bringing
        page, done = self._pages[number], content.state is AnswerState.DONE
        if isinstance(error, Unconfirmed):
            if page.ref is not None or self._recognised(page):
                # An edit is harmless to repeat, and so is a send that is recognised.
                return True
            # The next send is another one.
            page.tried = None
            self._sends += 1
            if not done:
                # A preview that stands there twice will be followed by one last word.
                return True
            self._doubt = error
        elif not isinstance(error, Refused) or (done and self._last is not None and not self._more_than(number)):
            self._end(error)
            return False
        elif done:
            log.warning("a page of an answer was refused")
            self._doubt = error
        else:
            log.warning("a preview of an answer was refused")
        page.content = content
        self._words_shown = True
        self._stand(more=self._more_than(number))
        return False

    def _more_than(self, number: int) -> bool:
        """Whether there are pages after this one."""
        return number + 1 < len(self._wanted(final=self._last is not None))

    def _recognised(self, page: _Delivered) -> bool:
        """Whether the platform still knows the send that may have been taken."""
        limits = self._platform.limits
        if not limits.repeatable_sends or page.tried is None:
            return False
        return self._courier.clock.now() - page.tried[2] < limits.repeat_seconds

    def _end(self, error: PlatformError | None) -> None:
        if not self._outcome.done():
            self._outcome.set_result(error)


__all__ = ["Buttons", "Relay"]
