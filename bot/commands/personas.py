"""What the model is told to be: ``/persona``."""

from collections.abc import Mapping
from typing import Any

from bot.cards import personas as cards
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.chat.places import PlaceKind
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.personas import Persona, Personas

_OFF = frozenset({"off", "trained", "关", "默认"})


class PersonaFamily:
    """The family's handlers."""

    def __init__(self, personas: Personas) -> None:
        self._personas = personas

    def commands(self) -> list[Command]:
        """What people may type."""
        return [Command("persona", Role.USER, self.persona, "[N|text|off]")]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [Action("persona.choose", Role.USER, self.press)]

    async def persona(self, context: Context, arguments: str) -> None:
        """Show the prompts that were trained, choose one of them, or give another. Raises ``UserError``."""
        words = arguments.strip()
        found = await self._personas.get(context.place)
        if words:
            found = await self._choose(context, self._meant(words, found))
        await context.reply(lambda keypad: cards.persona(context.t, keypad, found))

    async def press(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button: a trained prompt by its number, 0 for the model's own."""
        found = await self._personas.get(context.place)
        prompt = self._meant(str(payload["number"]), found) if payload["number"] else None
        changed = await self._choose(context, prompt)
        await context.show(context.ref, lambda keypad: cards.persona(context.t, keypad, changed))
        return Ack(context.t("pressed.settings"))

    async def _choose(self, context: Context, prompt: str | None) -> Persona:
        # In a group it is everybody's.
        if context.place.kind is PlaceKind.GROUP:
            context.member.must_be(Role.TRAINER)
        return await self._personas.choose(context.place, prompt)

    def _meant(self, words: str, found: Persona) -> str | None:
        if words.lower() in _OFF:
            return None
        if words.isdecimal() and len(words) < 3:
            if not 1 <= int(words) <= len(found.trained):
                raise UserError("persona_number", n=words, most=len(found.trained))
            prompt = found.trained[int(words) - 1]
            return None if prompt == found.trained[0] else prompt
        return words
