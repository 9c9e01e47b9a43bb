"""Mending a dataset, going back to an earlier version, and sharing it."""

from collections.abc import Mapping, Sequence
from typing import Any

from bot.cards import validation
from bot.chat.content import Attachment, Card, Fields, Paragraph
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.commands.context import Context
from bot.commands.datasets import Datasets, item_number
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.library import File, Held, Library
from bot.services.runs import DEFAULT_PRESET
from bot.services.sharing import OFF, Right, Sharing
from finetune.datasets import Wish
from finetune.datasets.mending.kinds import NAMES, mends_of, of_all
from finetune.parameters import presets

_ALL = "all"


class Mending:
    """The family's handlers. ``datasets`` shows the cards."""

    def __init__(self, library: Library, sharing: Sharing, datasets: Datasets) -> None:
        self._library = library
        self._sharing = sharing
        self._datasets = datasets

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("mend", Role.TRAINER, self.mend, "N [all|…]", item=True, beside=True),
            Command("share", Role.TRAINER, self.share, "N @name|team|off [read|train|edit]"),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("dataset.mend", Role.TRAINER, self.press_mend),
            Action("dataset.mend_file", Role.TRAINER, self.press_mend_file),
            Action("dataset.switch", Role.TRAINER, self.press_switch),
            Action("dataset.changes", Role.TRAINER, self.press_changes),
        ]

    async def mend(self, context: Context, arguments: str) -> None:
        """``/mend 3 all``, ``/mend 3 roles join``, ``/mend 3 system You tell fortunes.``; bare: what there is."""
        number, _, rest = arguments.partition(" ")
        held = await self._library.get(item_number(number), context.member)
        first, _, value = rest.strip().partition(" ")
        if not first:
            await self._menu(context, held)
            return
        if first.lower() == "system":
            if not value.strip():
                raise UserError("system_text_needed", n=held.dataset.id)
            wish = Wish(("system",), system=value.strip())
        else:
            names = [word.lower() for word in rest.split()]
            wish = self._wish(held, of_all(mends_of(held.report)) if names == [_ALL] else names)
        card = await context.reply(validation.reading(context.t, held.dataset.name), passing=True)
        await self._datasets.show(context, card, await self._library.mend(held, wish, context.member))

    async def _menu(self, context: Context, held: Held) -> None:
        t = context.t
        rows = tuple((name, t(f"did.{name}")) for name in NAMES)
        text = t("card.mend.how", n=held.dataset.id)
        await context.reply(Card(t("card.mend", name=held.dataset.name), (Paragraph(text), Fields(rows)), rings=False))

    def _wish(self, held: Held, names: Sequence[str]) -> Wish:
        unknown = [name for name in names if name not in NAMES]
        if unknown:
            raise UserError("mend_unknown", value=unknown[0][:30], known=", ".join((_ALL, *NAMES)))
        if not names:
            raise UserError("nothing_to_mend")
        prompts = [text for text, _ in held.report.system_prompts if text]
        if "unify_system" in names and not prompts:
            raise UserError("system_text_needed", n=held.dataset.id)
        return Wish(
            tuple(names),
            system=prompts[0] if prompts and "unify_system" in names else "",
            limit=presets()[DEFAULT_PRESET].max_tokens,
        )

    async def press_mend(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Mend the version whose card it was; the card shows the new one."""
        held = await self._library.get(payload["dataset"], context.member, number=payload["version"])
        new = await self._library.mend(held, self._wish(held, payload["names"]), context.member)
        await self._datasets.show(context, context.ref, new)
        return Ack(context.t("pressed.mended", n=new.version.number))

    async def press_mend_file(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Mend a file with errors, which becomes a dataset by it."""
        file = File(**payload["file"])
        names = payload["names"]
        limit = presets()[DEFAULT_PRESET].max_tokens
        new = await self._library.mend_file(file, Wish(tuple(names), limit=limit), context.member)
        await self._datasets.show(context, context.ref, new)
        return Ack(context.t("pressed.mended", n=new.version.number))

    async def press_switch(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Another version becomes the current one: undo, and undo of that."""
        held = await self._library.switch(payload["dataset"], payload["number"], context.member)
        await self._datasets.show(context, context.ref, held, whole=True)
        return Ack(context.t("pressed.switched", n=held.version.number))

    async def press_changes(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """What a mending did, row by row."""
        held = await self._library.get(payload["dataset"], context.member, number=payload["number"])
        if held.changes is None:
            raise UserError("button_old")
        t = context.t
        text = validation.changes_text(t, held.changes, held.version.number, held.dataset.name)
        file = Attachment("changes.txt", "text/plain", text.encode())
        title = t("report.changes", name=held.dataset.name, version=held.version.number)
        await context.reply(Card(title, attachments=(file,), rings=False), part="changes")
        return None

    async def share(self, context: Context, arguments: str) -> None:
        """``/share 3 team train``, ``/share 3 @Ming edit``, ``/share 3 off``; without more: with whom it is shared."""
        words = arguments.split()
        dataset, _ = await self._library.find(item_number(words[0] if words else ""), context.member)
        t = context.t
        found = await self._sharing.listing(dataset.id)
        if len(words) > 1:
            # A name may have blanks in it; the right, if there is one, stands last.
            right = Right.TRAIN
            rest = words[1:]
            if len(rest) > 1 and rest[-1].lower() in [known.word for known in Right]:
                right = Right.of(rest.pop())
            _, found = await self._sharing.share(dataset.id, " ".join(rest), right, context.member)
        elif found == []:
            text = t("card.share.nobody", n=dataset.id, off=OFF)
            await context.reply(Card(t("card.share", name=dataset.name), (Paragraph(text),), rings=False))
            return
        lines = [t(f"share.{share.right.word}", name=share.name or t("share.team")) for share in found]
        text = t("list.separator").join(lines) if lines else t("card.share.off")
        await context.reply(Card(t("card.share", name=dataset.name), (Paragraph(text),), rings=False))
