"""From words to a job: the confirm card, its buttons, the presets."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from bot.cards import confirm
from bot.cards.job import progress
from bot.cards.money import waiting
from bot.chat.content import Card, Paragraph, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.chat.places import MessageRef
from bot.commands.context import Context
from bot.commands.flags import TrainArguments, canonical, parse
from bot.commands.registry import Action, Command
from bot.services.access import Role
from bot.services.approvals import Waits
from bot.services.library import Library
from bot.services.runs import DEFAULT_PROVIDER, DEFAULT_SEED, DEFAULT_SHARE, Run, Wish
from bot.services.training import Training
from bot.services.watch import Watch
from finetune.parameters import optimiser_steps, presets, resolve
from storage.clock import now

# In the place of a dataset: what people said of answers.
FROM_FEEDBACK = "from-feedback"


class Trains:
    """The family's handlers."""

    def __init__(
        self,
        training: Training,
        library: Library,
        watch: Watch,
        from_feedback: Callable[[Context], Awaitable[None]] | None = None,
    ) -> None:
        self._from_feedback = from_feedback
        self._training = training
        self._library = library
        self._watch = watch

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("train", Role.TRAINER, self.train, "[N|from-feedback] [--preset …] [--epochs …] …"),
            Command("presets", Role.TRAINER, self.presets),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("train.open", Role.TRAINER, self.press_open),
            Action("train.preset", Role.TRAINER, self.press_preset),
            Action("train.start", Role.TRAINER, self.press_start),
            Action("train.dismiss", Role.TRAINER, self.press_dismiss),
        ]

    async def train(self, context: Context, arguments: str) -> None:
        """Show what the run would take; with ``--yes`` start it at once."""
        if self._from_feedback is not None and arguments.strip().lower().replace("_", "-") == FROM_FEEDBACK:
            await self._from_feedback(context)
            return
        wanted = parse(arguments)
        run = await self._training.plan(wish_of(wanted, context.dataset), context.member)
        if wanted.yes and not wanted.dry_run:
            await self._start_now(context, run)
            return
        await self._confirm(context, run, tuple(wanted.repeated), dry=wanted.dry_run)

    async def _confirm(
        self,
        context: Context,
        run: Run,
        repeated: tuple[str, ...] = (),
        *,
        dry: bool = False,
        ref: MessageRef | None = None,
    ) -> None:
        before = sum(1 for job in await self._training.listing(50) if job.provider == run.provider and not job.ended_at)
        proposal = _proposal(run, before, repeated)

        def make(keypad: Any) -> Card:
            card = confirm.confirm(context.t, keypad, proposal, run.frozen(), context.event)
            if dry:
                note = Paragraph(context.t("card.confirm.dry"), Tone.MUTED)
                return Card(card.title, (*card.blocks, note), card.buttons[2:], tone=card.tone, rings=False)
            return card

        if ref is None:
            await context.reply(make)
        else:
            await context.show(ref, make)

    async def again(self, context: Context, job_id: int | None, *, at_once: bool) -> None:
        """A job's run once more: its confirm card, or at once."""
        _, run = await self._training.rerun(job_id, context.member)
        if at_once:
            await self._start_now(context, run)
        else:
            await self._confirm(context, run)

    async def elsewhere(self, context: Context, job_id: int, provider: str) -> None:
        """A job's data at another provider: its confirm card."""
        await self._confirm(context, await self._training.elsewhere(job_id, provider, context.member))

    async def _start_now(self, context: Context, run: Run) -> None:
        # The card's message is made first: the job needs a card to edit, and a repeat finds the same message.
        ref = await context.reply(Card(context.t("card.starting"), rings=False), part="job")
        intent = f"{context.place.platform}:{context.event}"
        await self._start(context, run, intent, request=context.ref, card=ref)

    async def _start(
        self, context: Context, run: Run, intent: str, *, request: MessageRef | None, card: MessageRef
    ) -> bool | None:
        """Whether it was started now; None if it waits for a lead."""
        try:
            job, created = await self._training.start(
                run,
                context.member,
                intent=intent,
                line=line_of(run),
                place=context.place,
                language=context.language,
                request=request,
                card=card,
            )
        except Waits as waits:
            # It stays to be read: a press is answered by a word that passes.
            line, number = context.t(f"error.{waits.key}", **waits.fields), waits.number
            await context.show(card, lambda keypad: waiting(context.t, keypad, run.name, number, line))
            return None
        # As it is by now: the watcher may have been faster.
        fresh, before = await self._training.get(job.id)
        await context.show(card, lambda keypad: progress(context.t, keypad, fresh, before, now()))
        self._watch.wake()
        return created

    async def press_open(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """A dataset's Train button."""
        wish = Wish(dataset=payload["dataset"], preset=payload.get("preset"))
        await self._confirm(context, await self._training.plan(wish, context.member))
        return None

    async def press_preset(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Another preset for the same run."""
        await self._not_started(context)
        run = await self._training.thaw({**payload["run"], "preset": payload["preset"]}, context.member)
        await self._confirm(context, run, ref=context.ref)
        return None

    async def press_start(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Start exactly what the card showed; a second tap says that it was started."""
        run = await self._training.thaw(payload["run"], context.member)
        intent = f"{context.place.platform}:{context.place.chat}:{context.ref.id}:{payload['nonce']}"
        created = await self._start(context, run, intent, request=context.ref, card=context.ref)
        if created is None:
            return Ack(context.t("pressed.waits"))
        return Ack(context.t("pressed.started" if created else "pressed.train.start"))

    async def press_dismiss(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Not now."""
        await self._not_started(context)
        await context.show(context.ref, Card(blocks=(Paragraph(context.t("card.dismissed"), Tone.MUTED),), rings=False))
        return None

    async def _not_started(self, context: Context) -> None:
        """A card that became a job's must not become a proposal again."""
        if await self._training.has_card(context.ref):
            raise UserError("already_started")

    async def presets(self, context: Context, arguments: str) -> None:
        """The presets side by side for the newest dataset."""
        found = await self._library.listing(context.member, 1)
        base = next(iter(self._training.providers.values())).bases[0]
        values = {name: resolve(name, base.recommended, {}).values for name in presets()}
        rows = round(found[0].report.good_rows * (1 - DEFAULT_SHARE)) if found else 0
        steps = {name: optimiser_steps(rows, value) for name, value in values.items()} if found else {}
        dataset = found[0].dataset.id if found else None
        await context.reply(lambda keypad: confirm.presets_table(context.t, keypad, dataset, steps, values))


def wish_of(wanted: TrainArguments, dataset: int | None = None) -> Wish:
    """What a parsed line wishes for, of ``dataset`` unless the line names one."""
    return Wish(
        wanted.dataset if wanted.dataset is not None else dataset,
        wanted.preset,
        wanted.provider,
        wanted.base,
        wanted.values,
        wanted.validation_share,
        wanted.name,
        wanted.seed,
        wanted.image_flag,
        wanted.trigger or "",
        wanted.repeats or 1,
    )


def line_of(run: Run) -> str:
    """The canonical line of a run."""
    others = [("provider", run.provider)] if run.provider != DEFAULT_PROVIDER else []
    others.append(("base", run.base.id))
    if run.images is None:
        others.append(("val", f"{run.validation_share * 100:g}%"))
    else:
        others.append(("repeats", str(run.images.repeats)))
        if run.images.trigger:
            others.append(("trigger", run.images.trigger))
    if run.seed != DEFAULT_SEED:
        others.append(("seed", str(run.seed)))
    if run.name != run.held.dataset.name:
        others.append(("name", run.name))
    return canonical(run.held.dataset.id, run.preset, run.values.as_dict(), others)


def _proposal(run: Run, before: int, repeated: tuple[str, ...]) -> confirm.Proposal:
    return confirm.Proposal(
        dataset_id=run.held.dataset.id,
        dataset_name=run.held.dataset.name,
        training_rows=run.split.training_rows,
        validation_rows=run.split.validation_rows,
        provider=run.provider,
        base=run.base,
        preset=run.preset,
        values=run.values,
        origins=run.origins,
        plan=run.plan,
        line=line_of(run),
        name=run.name,
        seed=run.seed,
        before=before,
        repeated=repeated,
        images=run.images,
    )
