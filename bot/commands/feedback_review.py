"""Who contributes, the review queue, and the dataset that comes of it."""

import re
from collections.abc import Mapping
from typing import Any

from bot.cards import feedback_review
from bot.chat.content import Card, Paragraph, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.flywheel import Flywheel

_KEY = re.compile(r"[sa][0-9]{1,9}")


class FeedbackReview:
    """The family's handlers."""

    def __init__(self, flywheel: Flywheel) -> None:
        self._flywheel = flywheel

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("contribute", Role.USER, self.contribute, "[on|off]"),
            Command("review", Role.TRAINER, self.review, "[s12 …]", item=True),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("review.accept", Role.TRAINER, self.press_accept),
            Action("review.reject", Role.TRAINER, self.press_reject),
            Action("review.next", Role.TRAINER, self.press_next),
        ]

    async def contribute(self, context: Context, arguments: str) -> None:
        """Agree, or not any more, that what one says of answers may become training data."""
        word = arguments.strip().lower()
        if word not in ("", "on", "off"):
            raise UserError("contribute_how")
        if word:
            await self._flywheel.contribute(context.member, agreed=word == "on")
        key = "card.contribute.on" if await self._flywheel.contributes(context.member) else "card.contribute.off"
        await context.reply(Card(blocks=(Paragraph(context.t(key)),), rings=False))

    async def review(self, context: Context, arguments: str) -> None:
        """The next thing to decide on; with a key and a text: accept it with that text as the answer."""
        key, _, text = arguments.partition(" ")
        if not key:
            found = await self._flywheel.next()
            await context.reply(lambda keypad: feedback_review.item(context.t, keypad, found))
            return
        if not _KEY.fullmatch(key) or not text.strip():
            raise UserError("review_how")
        decided = await self._flywheel.decide(key, context.member, accept=True, text=text)
        line = Paragraph(context.t("review.accepted" if decided else "review.decided_already"), Tone.MUTED)
        await context.reply(Card(blocks=(line,), rings=False))

    async def press_accept(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """It becomes a row of the next version."""
        return await self._decide(context, payload["key"], accept=True)

    async def press_reject(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """It never does."""
        return await self._decide(context, payload["key"], accept=False)

    async def _decide(self, context: Context, key: str, *, accept: bool) -> Ack:
        decided = await self._flywheel.decide(key, context.member, accept=accept)
        await self._show(context, await self._flywheel.next())
        word = "review.accepted" if accept else "review.rejected"
        return Ack(context.t(word if decided else "review.decided_already"))

    async def press_next(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Leave it for later."""
        await self._show(context, await self._flywheel.next(payload["key"]))
        return None

    async def _show(self, context: Context, found: Any) -> None:
        await context.show(context.ref, lambda keypad: feedback_review.item(context.t, keypad, found))

    async def from_feedback(self, context: Context) -> None:
        """``/train from-feedback``: the next version, with its difference and the button to train on it."""
        found = await self._flywheel.grow(context.member)
        await context.reply(lambda keypad: feedback_review.grown(context.t, keypad, found))
