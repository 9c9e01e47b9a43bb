"""Talking to the live model."""

import json
from collections.abc import Mapping
from typing import Any

from bot.chat.content import Attachment, Card, Paragraph, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack, Message
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.conversations import Conversations


class Talking:
    """The family's handlers."""

    def __init__(self, conversations: Conversations) -> None:
        self._conversations = conversations

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("ask", Role.USER, self.ask, "…"),
            Command("new", Role.USER, self.new),
            Command("retry", Role.USER, self.retry),
            Command("stop", Role.USER, self.stop),
            Command("forget", Role.USER, self.forget),
            Command("export_me", Role.USER, self.export_me),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("talk.stop", Role.USER, self.press_stop),
            Action("talk.retry", Role.USER, self.press_retry),
            Action("talk.forget", Role.USER, self.press_forget),
        ]

    async def talk(self, context: Context, event: Message) -> None:
        """Plain text."""
        await self.ask(context, event.text)

    async def ask(self, context: Context, arguments: str) -> None:
        """Ask, also in groups."""
        if not arguments.strip():
            raise UserError("nothing_asked")
        busy = await self._conversations.ask(context.place, context.member, arguments, context.language, context.ref)
        if busy:
            await context.reply(_line(context, "talk.queued"))

    async def new(self, context: Context, arguments: str) -> None:
        """Forget the context."""
        count = await self._conversations.clear(context.place)
        await context.reply(_line(context, "talk.cleared" if count else "talk.clear_already"))

    async def retry(self, context: Context, arguments: str) -> None:
        """Answer the last question again."""
        await self._conversations.retry(context.place)

    async def stop(self, context: Context, arguments: str) -> None:
        """Stop the answer under way."""
        if not await self._conversations.stop(context.place):
            await context.reply(_line(context, "talk.nothing_to_stop"))

    async def press_stop(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        stopped = await self._conversations.stop(context.place)
        return Ack(context.t("talk.stopping" if stopped else "talk.nothing_to_stop"))

    async def press_retry(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Answer this question again, if it is the last one."""
        await self._conversations.retry(context.place, payload["answer"])
        return Ack(context.t("talk.retrying"))

    async def forget(self, context: Context, arguments: str) -> None:
        """Ask before deleting."""
        t, member = context.t, context.member
        await context.reply(
            lambda keypad: Card(
                t("card.forget"),
                (Paragraph(t("card.forget.what")),),
                (
                    (
                        keypad.press(
                            t("button.forget"), "talk.forget", person_id=member.id, once=True, event=context.event
                        ),
                    ),
                ),
                tone=Tone.WARNING,
                rings=False,
            )
        )

    async def press_forget(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Delete what a person said and was answered."""
        await self._conversations.stop(context.place)
        count = await self._conversations.forget(context.member)
        await context.show(context.ref, Card(context.t("card.forgotten", n=count), rings=False))
        return None

    async def export_me(self, context: Context, arguments: str) -> None:
        """All that a person said and was answered, as a file."""
        said = await self._conversations.said_by(context.member)
        rows = [
            {"at": turn.created_at.isoformat(), "role": turn.role, "text": turn.text, "model": turn.model}
            for turn in said
        ]
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        file = Attachment("my-conversations.jsonl", "application/jsonl", data)
        await context.reply(Card(context.t("card.export_me", n=len(rows)), attachments=(file,), rings=False))


def _line(context: Context, key: str) -> Card:
    return Card(blocks=(Paragraph(context.t(key), Tone.MUTED),), rings=False)
