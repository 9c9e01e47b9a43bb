"""Talking to the live model."""

import json
from collections.abc import Mapping
from typing import Any

from bot.cards import answer
from bot.chat.content import Attachment, Card, Paragraph, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack, Edit, Message
from bot.chat.places import PlaceKind
from bot.chat.platform import Discreet, Platform
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.conversations import Conversations
from bot.services.feedback import Feedback


class Talking:
    """The family's handlers."""

    def __init__(self, conversations: Conversations, feedback: Feedback, platforms: Mapping[str, Platform]) -> None:
        self._conversations = conversations
        self._feedback = feedback
        self._platforms = platforms

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("ask", Role.USER, self.ask, "…"),
            Command("new", Role.USER, self.new),
            Command("retry", Role.USER, self.retry),
            Command("stop", Role.USER, self.stop),
            Command("last", Role.USER, self.last),
            Command("forget", Role.USER, self.forget, personal=True),
            Command("export_me", Role.USER, self.export_me, personal=True),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("talk.stop", Role.USER, self.press_stop),
            Action("talk.retry", Role.USER, self.press_retry),
            Action("talk.continue", Role.USER, self.press_continue),
            Action("talk.rate", Role.USER, self.press_rate),
            Action("talk.suggest", Role.USER, self.press_suggest),
            Action("talk.unsuggest", Role.USER, self.press_unsuggest),
            Action("talk.forget", Role.USER, self.press_forget),
        ]

    async def talk(self, context: Context, event: Message) -> None:
        """Plain text: a better answer where one is awaited, else a question."""
        suggestion = await self._feedback.given(context.place, context.member, event.text, context.ref)
        if suggestion is None:
            await self.ask(context, event.text)
            return
        person = context.member.id
        assert person is not None
        await context.reply(lambda keypad: answer.suggested(context.t, keypad, suggestion, person))

    async def reword(self, event: Edit) -> None:
        """Somebody changed what they had written; a question that still waits is asked as it says now."""
        await self._conversations.reword(event.ref, event.text)

    async def ask(self, context: Context, arguments: str) -> None:
        """Ask, also in groups."""
        if not arguments.strip():
            raise UserError("nothing_asked")
        busy = await self._conversations.ask(context.place, context.member, arguments, context.language, context.ref)
        if busy:
            await context.reply(_line(context, "talk.queued"))

    async def new(self, context: Context, arguments: str) -> None:
        """Forget the context."""
        count = await self._conversations.clear(context.place, context.member)
        await context.reply(_line(context, "talk.cleared" if count else "talk.clear_already"))

    async def retry(self, context: Context, arguments: str) -> None:
        """Answer the last question again."""
        await self._conversations.retry(context.place, context.member)

    async def last(self, context: Context, arguments: str) -> None:
        """Show the last answer once more."""
        await self._conversations.show_last(context.place, context.event)

    async def stop(self, context: Context, arguments: str) -> None:
        """Stop the answer under way."""
        if not await self._conversations.stop(context.place, context.member):
            await context.reply(_line(context, "talk.nothing_to_stop"))

    async def press_stop(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        stopped = await self._conversations.stop(context.place, context.member, payload["answer"])
        if not stopped:
            await self._conversations.tidy(context.ref, payload["answer"])
        return Ack(context.t("talk.stopping" if stopped else "talk.nothing_to_stop"))

    async def press_retry(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Answer this question again, if it is the last one."""
        await self._conversations.retry(context.place, context.member, payload["answer"])
        return Ack(context.t("talk.retrying"))

    async def press_continue(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Go on with an answer that reached its greatest length."""
        await self._conversations.go_on(context.place, context.member, payload["answer"])
        return Ack(context.t("talk.going_on"))

    async def press_rate(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Keep what somebody thinks of an answer; a second tap takes it back."""
        stands = await self._feedback.rate(context.member, payload["answer"], payload["value"], context.event)
        return Ack(context.t({1: "talk.rated_up", -1: "talk.rated_down", 0: "talk.unrated"}[stands]))

    async def press_suggest(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Await a better answer from whoever pressed."""
        suggestion = await self._feedback.suggest(context.place, context.member, payload["answer"])
        person = context.member.id
        assert person is not None
        await context.reply(lambda keypad: answer.suggest(context.t, keypad, suggestion, person))
        return None

    async def press_unsuggest(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Take a better answer back, or the wish to give one."""
        withdrawn = await self._feedback.withdraw(context.member, payload["suggestion"])
        await context.show(context.ref, Card(context.t("card.unsuggested"), rings=False))
        return Ack(context.t("card.unsuggested" if withdrawn else "talk.unsuggested_already"))

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
                personal=True,
            )
        )

    async def press_forget(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Delete what a person said and was answered."""
        count = await self._conversations.forget(context.member)
        await context.show(context.ref, Card(context.t("card.forgotten", n=count), rings=False))
        return None

    async def export_me(self, context: Context, arguments: str) -> None:
        """All that a person said and was answered, as a file; never where others would read it."""
        platform = self._platforms[context.place.platform]
        if context.place.kind is PlaceKind.GROUP and not (
            isinstance(platform, Discreet) and platform.is_alone(context.ref)
        ):
            raise UserError("only_private")
        said = await self._conversations.said_by(context.member)
        rows: list[dict[str, object]] = [
            {"at": turn.created_at.isoformat(), "role": turn.role, "text": turn.text, "model": turn.model}
            for turn in said
        ]
        rows += await self._feedback.by(context.member)
        data = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()
        file = Attachment("my-conversations.jsonl", "application/jsonl", data)
        await context.reply(
            Card(context.t("card.export_me", n=len(rows)), attachments=(file,), rings=False, personal=True)
        )


def _line(context: Context, key: str) -> Card:
    return Card(blocks=(Paragraph(context.t(key), Tone.MUTED),), rings=False)
