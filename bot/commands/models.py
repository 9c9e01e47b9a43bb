"""Tuned models, and which of them everybody talks to."""

from collections.abc import Mapping
from typing import Any

from bot.cards import lists
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.releases import Releases
from bot.services.voices import Voices


class Models:
    """The family's handlers."""

    def __init__(self, releases: Releases, voices: Voices) -> None:
        self._releases = releases
        self._voices = voices

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("models", Role.USER, self.models),
            Command("use", Role.LEAD, self.use, "vN|base", item=True),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [Action("model.use", Role.LEAD, self.press_use)]

    async def models(self, context: Context, arguments: str) -> None:
        """All tuned models."""
        found = await self._releases.listing()
        may = context.member.role >= Role.LEAD
        await context.reply(lambda keypad: lists.models(context.t, keypad, found, may_switch=may))

    async def use(self, context: Context, arguments: str) -> None:
        """Let everybody talk to another model."""
        word = arguments.split(" ")[0].lower()
        if word in ("base", "v0"):
            await self._use(context, None)
            return
        digits = word.removeprefix("v")
        if not digits.isascii() or not digits.isdigit() or len(digits) > 9:
            raise UserError("version_needed", value=arguments[:20])
        await self._use(context, int(digits))

    async def press_use(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self._use(context, payload["version"] or None)
        return None

    async def _use(self, context: Context, version: int | None) -> None:
        model, former = await self._releases.use(version, context.member)
        self._voices.warm(model)
        name = f"{model.name} (v{model.version})" if model else None
        await context.reply(
            lambda keypad: lists.switched(context.t, keypad, name, former.version if former else None), part="switched"
        )
