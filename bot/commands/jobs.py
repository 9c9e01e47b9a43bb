"""Following and steering jobs."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from bot.cards import lists
from bot.cards.job import progress
from bot.chat.content import Attachment, Card, Paragraph, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.chat.places import Place
from bot.commands.context import Context
from bot.commands.datasets import item_number
from bot.commands.flags import TrainArguments, parse
from bot.commands.registry import Action, Command
from bot.commands.training import Trains
from bot.services.access import Role
from bot.services.money import Money
from bot.services.notices import job_place
from bot.services.training import NOBODY, Training
from bot.services.watch import Watch
from finetune.jobs import JobState
from storage.clock import now
from storage.tables import OutboxRow

Missed = Callable[[Place], Awaitable[Sequence[OutboxRow]]]


class Jobs:
    """The family's handlers."""

    def __init__(self, training: Training, watch: Watch, trains: Trains, missed: Missed, money: Money) -> None:
        self._money = money
        self._training = training
        self._missed = missed
        self._watch = watch
        self._trains = trains

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("jobs", Role.TRAINER, self.jobs),
            Command("job", Role.TRAINER, self.job, "[N]", item=True, listed=False),
            Command("log", Role.TRAINER, self.log, "[N]", item=True),
            Command("cancel", Role.TRAINER, self.cancel, "[N]", item=True),
            Command("rerun", Role.TRAINER, self.rerun, "[N] [--yes]", item=True),
            Command("resume", Role.TRAINER, self.resume, "[N]", item=True),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("job.cancel", Role.TRAINER, self.press_cancel),
            Action("job.log", Role.TRAINER, self.press_log),
            Action("job.rerun", Role.TRAINER, self.press_rerun),
            Action("job.resume", Role.TRAINER, self.press_resume),
        ]

    async def jobs(self, context: Context, arguments: str) -> None:
        """All jobs."""
        await context.reply(lists.jobs(context.t, await self._training.listing(), now()))

    async def tell_missed(self, context: Context) -> None:
        """Whether some notices arrived was never known: the next contact tells what they told."""
        rows = await self._missed(context.place)
        numbers = {row.payload["job"] for row in rows if "job" in row.payload}
        found = [(await self._training.get(number))[0] for number in sorted(numbers)]
        waits = any("approval" in row.payload and "job" not in row.payload for row in rows)
        if found or waits:
            await context.reply(lists.missed(context.t, found, approvals=waits), part="missed")

    async def job(self, context: Context, arguments: str) -> None:
        """One job's card, as it is now."""
        job, before = await self._training.get(_number(arguments))
        step = await self._training.checkpoint(job)
        cost = await self._money.cost(job) if JobState(job.state).ended else None
        await context.reply(lambda keypad: progress(context.t, keypad, job, before, now(), step, cost))

    async def log(self, context: Context, arguments: str) -> None:
        """A job's log as a file."""
        await self._send_log(context, _number(arguments))

    async def press_log(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self._send_log(context, payload["job"])
        return None

    async def _send_log(self, context: Context, job_id: int | None) -> None:
        job, _ = await self._training.get(job_id)
        file = Attachment(f"job-{job.id}.log", "text/plain", await self._training.log(job))
        title = context.t("card.log", n=job.id, name=job.name)
        await context.reply(Card(title, attachments=(file,), rings=False), part="log")

    async def cancel(self, context: Context, arguments: str) -> None:
        """Ask for a job's end."""
        job = await self._training.cancel(_number(arguments), context.member)
        self._watch.wake()
        line = Paragraph(context.t("job.cancel_asked", command=f"/job_{job.id}"), Tone.MUTED)
        await context.reply(Card(blocks=(line,), rings=False))

    async def press_cancel(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button; the card says so at once."""
        job = await self._training.cancel(payload["job"], context.member)
        await context.show(context.ref, lambda keypad: progress(context.t, keypad, job, NOBODY, now()))
        self._watch.wake()
        return Ack(context.t("job.cancelling"))

    async def rerun(self, context: Context, arguments: str) -> None:
        """The same data, parameters and seed again as a new job: the confirm card, or with ``--yes`` at once."""
        wanted = parse(arguments)
        if wanted != TrainArguments(dataset=wanted.dataset, yes=wanted.yes):
            raise UserError("rerun_takes_no_flags")
        await self._trains.again(context, wanted.dataset, at_once=wanted.yes)

    async def press_rerun(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self._trains.again(context, payload["job"], at_once=False)
        return None

    async def resume(self, context: Context, arguments: str) -> None:
        """Have a failed or cancelled job go on from its newest checkpoint."""
        await self._resume(context, _number(arguments))

    async def press_resume(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        await self._resume(context, payload["job"])
        return None

    async def _resume(self, context: Context, job_id: int | None) -> None:
        job, step = await self._training.may_resume(job_id, context.member)
        line = Paragraph(context.t("job.resuming", n=job.id, step=step, command=f"/job_{job.id}"), Tone.MUTED)
        # A message of its own becomes the card, where the job was asked for: the former one may be far up.
        ref = await context.reply(Card(blocks=(line,), rings=False), part="job")
        here = context.place == job_place(job)
        resumed = await self._training.resume(job, step, ref if here else None)
        if here:
            await context.show(ref, lambda keypad: progress(context.t, keypad, resumed, NOBODY, now()))
        self._watch.wake()


def _number(arguments: str) -> int | None:
    return item_number(arguments) if arguments.strip() else None
