"""Tuned models: which of them everybody talks to, which ones by a name, and which one alone."""

from collections.abc import Mapping
from typing import Any

from bot.cards import lists, releases
from bot.chat.events import Ack
from bot.commands.context import Context
from bot.commands.registry import Action, Command
from bot.commands.versions import alias_of, names_version, version_of, wish_of
from bot.services.access import Role
from bot.services.promotion import Moved, Promotion
from bot.services.releases import LIVE, Releases
from bot.services.trials import Trials
from bot.services.voices import Voices


class Models:
    """The family's handlers."""

    def __init__(self, registry: Releases, promotion: Promotion, trials: Trials, voices: Voices) -> None:
        self._releases = registry
        self._promotion = promotion
        self._trials = trials
        self._voices = voices

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("models", Role.USER, self.models),
            Command("use", Role.LEAD, self.use, "vN|base", item=True),
            Command("try", Role.USER, self.try_, "[@name|vN|off]", item=True),
            Command("promote", Role.LEAD, self.promote, "vN [@name] [--canary 20%] […]", item=True),
            Command("rollback", Role.LEAD, self.rollback, "[@name]", item=True),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("model.use", Role.LEAD, self.press_use),
            Action("release.promote", Role.LEAD, self.press_promote),
            Action("release.withdraw", Role.LEAD, self.press_withdraw),
            Action("release.rollback", Role.LEAD, self.press_rollback),
        ]

    async def models(self, context: Context, arguments: str) -> None:
        """All tuned models."""
        found = await self._releases.listing()
        may = context.member.role >= Role.LEAD
        await context.reply(lambda keypad: lists.models(context.t, keypad, found, may_switch=may))

    async def use(self, context: Context, arguments: str) -> None:
        """Let everybody talk to another model."""
        word = arguments.split(" ")[0].lower()
        version = 0 if word == "base" else version_of(word)
        await self._use(context, version)

    async def press_use(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self._use(context, payload["version"])
        return None

    async def _use(self, context: Context, version: int) -> None:
        promotion, member = self._promotion, context.member
        await self._moved(context, await (promotion.promote(version, member) if version else promotion.base(member)))

    async def try_(self, context: Context, arguments: str) -> None:
        """Talk here to what a name means, or to a version alone; ``off``: to what everybody talks to."""
        word = arguments.split(" ")[0]
        if not word:
            model, alias = await self._trials.at(context.place)
            live = await self._releases.live()
            aliases = await self._releases.aliases()
            card = releases.here(
                context.t,
                model or live,
                alias,
                aliases,
                tried=model is not None,
                trains=context.member.role >= Role.TRAINER,
            )
            await context.reply(card)
            return
        if word.lower().removeprefix("@") in ("off", LIVE):
            await context.reply(releases.tried_no_more(context.t, ended=await self._trials.end(context.place)))
            return
        if names_version(word):
            # What no lead let loose is tried by those who train.
            context.member.must_be(Role.TRAINER)
            model, alias = await self._releases.by_version(version_of(word)), None
        else:
            alias = alias_of(word)
            model = await self._releases.named(alias)
        await self._trials.begin(context.place, model, alias)
        self._voices.warm(model)
        await context.reply(releases.tried(context.t, model, alias))

    async def promote(self, context: Context, arguments: str) -> None:
        """Let everybody talk to a model, or whoever uses a name, or with ``--canary`` a share of all conversations.

        What follows is the reason, where the gates need one.
        """
        wish, member = wish_of(arguments), context.member
        if wish.canary is None:
            await self._moved(context, await self._promotion.promote(wish.version, member, wish.reason, wish.alias))
            return
        moved = await self._promotion.canary(wish.version, member, wish.canary, wish.reason)
        if not moved.waits:
            self._voices.warm(moved.now)
        await context.reply(releases.canary_begun(context.t, moved, wish.canary))

    async def press_promote(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self._moved(context, await self._promotion.promote(payload["version"], context.member))
        return None

    async def press_withdraw(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """What was to move once a model has passed its gates stays."""
        stays = await self._promotion.withdraw(payload["version"], payload["alias"], context.member)
        await context.reply(releases.stays(context.t, stays), part="withdrawn")
        return None

    async def rollback(self, context: Context, arguments: str) -> None:
        """Back to what a name meant before; bare, what everybody talked to."""
        word = arguments.split(" ")[0]
        await self._rollback(context, alias_of(word) if word else LIVE, None)

    async def press_rollback(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button: it takes back what its card tells, and nothing that came later."""
        await self._rollback(context, payload.get("alias", LIVE), payload.get("version"))
        return None

    async def _rollback(self, context: Context, alias: str, of: int | None) -> None:
        event = f"{context.place.platform}:{context.event}"
        await self._moved(context, await self._promotion.rollback(context.member, event, alias, of))

    async def _moved(self, context: Context, moved: Moved) -> None:
        if not moved.waits and not moved.awaits:
            # The new one is made ready for its first question; the former stays loaded for the way back.
            self._voices.warm(moved.now)
        await context.reply(lambda keypad: releases.moved(context.t, keypad, moved), part="switched")
