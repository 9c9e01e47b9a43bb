"""Where and when I am told: ``/settings``."""

from collections.abc import Mapping
from typing import Any

from bot.cards import preferences as cards
from bot.chat.content import Card
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.chat.keypad import Keypad
from bot.chat.places import PlaceKind
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.notices import Notices
from bot.services.preferences import Chosen, Preferences, quiet_of, webhook_of
from bot.services.webhooks import Webhooks

_OFF = frozenset({"off", "none", "no", "关", "关闭", "无"})
_HERE = frozenset({"here", "private", "这里", "私聊"})
_CHAT = frozenset({"chat", "asked", "原处", "群里"})


class Settings:
    """The family's handlers. ``hosts`` may be posted to although they lie in a private network."""

    def __init__(self, chosen: Chosen, notices: Notices, webhooks: Webhooks, hosts: tuple[str, ...]) -> None:
        self._chosen = chosen
        self._notices = notices
        self._webhooks = webhooks
        self._hosts = hosts

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("settings", Role.USER, self.settings, "[notify here|chat] [webhook URL|off] [quiet 22-8 ZONE|off]")
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [Action("settings.change", Role.USER, self.press_change)]

    async def settings(self, context: Context, arguments: str) -> None:
        """Show what is chosen, or choose. Raises ``UserError``."""
        word, _, value = arguments.strip().partition(" ")
        chosen, secret = None, None
        match word.lower():
            case "":
                chosen = await self._chosen.get(context.member)
            case "notify" | "通知":
                chosen = await self._notify(context, value.strip().lower())
            case "webhook":
                chosen, secret = await self._webhook(context, value.strip())
            case "quiet" | "免打扰":
                quiet = None if value.strip().lower() in _OFF else quiet_of(value)
                chosen = await self._chosen.change(context.member, quiet=quiet)
            case _:
                raise UserError("settings_unknown", value=word[:20])
        await self._show(context, chosen, secret)

    async def press_change(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button; the card shows it at once."""
        match payload["what"]:
            case "here":
                chosen = await self._notify(context, "here")
            case "chat":
                chosen = await self._notify(context, "chat")
            case "webhook":
                chosen = await self._chosen.change(context.member, webhook=None)
            case _:
                chosen = await self._chosen.change(context.member, quiet=None)
        card = await self._card(context, chosen, None)
        await context.show(context.ref, card)
        return Ack(context.t("pressed.settings"))

    async def _notify(self, context: Context, word: str) -> Preferences:
        if word in _CHAT:
            return await self._chosen.change(context.member, place=None)
        if word not in _HERE:
            raise UserError("settings_unknown", value=word[:20] or "notify")
        if context.place.kind is not PlaceKind.PRIVATE:
            raise UserError("settings_private")
        return await self._chosen.change(context.member, place=context.place)

    async def _webhook(self, context: Context, value: str) -> tuple[Preferences, str | None]:
        if value.lower() in _OFF:
            return await self._chosen.change(context.member, webhook=None), None
        address = webhook_of(value, hosts=self._hosts)
        if context.place.kind is not PlaceKind.PRIVATE:
            raise UserError("settings_private")  # its secret is nobody else's
        assert context.member.id is not None
        return await self._chosen.change(context.member, webhook=address), await self._webhooks.secret(
            context.member.id
        )

    async def _show(self, context: Context, chosen: Preferences, secret: str | None) -> None:
        await context.reply(await self._card(context, chosen, secret))

    async def _card(self, context: Context, chosen: Preferences, secret: str | None) -> Any:
        assert context.member.id is not None
        last = await self._notices.last_post(context.member.id) if chosen.webhook else None

        def make(keypad: Keypad) -> Card:
            return cards.settings(context.t, keypad, chosen, context.place, context.member.id, secret, last)

        return make
