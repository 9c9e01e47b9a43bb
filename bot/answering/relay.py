"""One answer on its way from a model to a place: desired pages here, delivered pages at the courier.

The model is read by the caller; :meth:`Relay.grow` never waits for the chat. What is full is sealed as a page of its
own; the last page is previewed until :meth:`Relay.finish` makes it final.
"""

import asyncio
import logging

from bot.answering.courier import Courier
from bot.answering.pages import balanced, cut
from bot.chat.content import Answer, AnswerState, Button
from bot.chat.errors import Blocked, PlatformError, Refused, Unconfirmed, Vanished
from bot.chat.places import MessageRef, Place

log = logging.getLogger(__name__)

Buttons = tuple[tuple[Button, ...], ...]


class Relay:
    """Shows one answer. ``ref`` is the message of its last page, once there is one."""

    def __init__(self, courier: Courier, place: Place, key: str, stop: Buttons, reply_to: MessageRef | None) -> None:
        self._courier = courier
        self._place = place
        self._key = key
        self._stop = stop
        self._reply_to = reply_to
        self._limit = courier.text_units(place)
        self._sealed: list[str] = []
        self._rest = ""
        self._shown = 0  # pages whose message exists
        self._sealing: asyncio.Task[None] | None = None
        self.ref: MessageRef | None = None

    async def begin(self, note: str) -> MessageRef:
        """Show the placeholder. Raises what ``Courier.send`` raises."""
        waiting = Answer("", AnswerState.WAITING, note, self._stop)
        self.ref = await self._courier.send(self._place, waiting, key=f"{self._key}.0", reply_to=self._reply_to)
        self._shown = 1
        return self.ref

    def grow(self, text: str) -> None:
        """Some more text came. Returns at once."""
        self._rest += text
        while (full := cut(self._rest, self._limit)) is not None:
            self._sealed.append(full.page)
            self._rest = full.rest
        if len(self._sealed) >= self._shown:
            if self._sealing is None or self._sealing.done():
                self._sealing = asyncio.get_running_loop().create_task(self._seal())
        elif self.ref is not None and self._rest.strip() and (self._sealing is None or self._sealing.done()):
            self._courier.preview(self.ref, Answer(balanced(self._rest), AnswerState.STREAMING, "", self._stop))

    async def _seal(self) -> None:
        """Finish full pages and open the next message, in order."""
        while len(self._sealed) >= self._shown:
            page = self._sealed[self._shown - 1]
            await self._settle_page(page, "", ())
            streaming = Answer(balanced(self._rest), AnswerState.STREAMING, "", self._stop)
            self.ref = await self._courier.send(self._place, streaming, key=f"{self._key}.{self._shown}")
            self._shown += 1

    async def finish(self, note: str, buttons: Buttons) -> bool:
        """Deliver the last word. False if the place cannot be reached: the text is the caller's to keep."""
        try:
            if self._sealing is not None:
                await self._sealing
            if len(self._sealed) >= self._shown:
                await self._seal()
            await self._settle_page(balanced(self._rest.rstrip()), note, buttons)
        except (Blocked, Refused, Unconfirmed) as error:
            log.warning("an answer could not be shown: %s", type(error).__name__)
            return False
        return True

    async def _settle_page(self, text: str, note: str, buttons: Buttons) -> None:
        content = Answer(text, AnswerState.DONE, note, buttons)
        if self.ref is not None:
            try:
                await self._courier.edit(self.ref, content)
            except Vanished:
                # The person deleted the message; the answer is still theirs.
                log.info("an answer's message was deleted; it is sent anew")
            else:
                return
        self.ref = await self._courier.send(self._place, content, key=f"{self._key}.{self._shown}.again")

    async def abandon(self) -> None:
        """Stop without a last word (the process is ending)."""
        if self._sealing is not None and not self._sealing.done():
            self._sealing.cancel()
            await asyncio.gather(self._sealing, return_exceptions=True)


__all__ = ["Buttons", "PlatformError", "Relay"]
