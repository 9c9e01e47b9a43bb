"""What trainings cost, and what may be spent."""

from collections.abc import Mapping
from typing import Any

from bot.cards import money as cards
from bot.chat.content import Card, Content, Paragraph, Tone
from bot.chat.errors import UserError
from bot.chat.events import Ack
from bot.commands.context import Context
from bot.commands.datasets import item_number
from bot.commands.registry import Action, Command
from bot.locales import translator
from bot.services.access import Access, Member, Role
from bot.services.approvals import OUTCOME, Approvals, Asked
from bot.services.keys import Keys
from bot.services.money import Amount, By, Money
from bot.services.spoken import Spoken
from bot.services.training import Training
from bot.services.watch import Watch
from storage.repositories.ledger import APPROVAL, TEAM, person

_OFF = ("off", "none", "关", "取消")


class Spending:
    """The family's handlers, and the notices that the outbox shows for it."""

    def __init__(
        self,
        money: Money,
        approvals: Approvals,
        spoken: Spoken,
        training: Training,
        access: Access,
        keys: Keys,
        watch: Watch,
    ) -> None:
        self._money = money
        self._approvals = approvals
        self._keys = keys
        self._spoken = spoken
        self._training = training
        self._access = access
        self._watch = watch

    def commands(self) -> list[Command]:
        """What people may type."""
        return [
            Command("usage", Role.USER, self.usage),
            Command("stats", Role.USER, self.stats),
            Command("cost", Role.TRAINER, self.cost, "N 12.50 CNY", item=True),
            Command("budget", Role.ADMIN, self.budget, "[team|person N|approval] [100 CNY|off CNY]"),
            Command("approve", Role.LEAD, self.approve, "[N]", item=True),
        ]

    def actions(self) -> list[Action]:
        """What buttons may do."""
        return [
            Action("money.approve", Role.LEAD, self.press_approve),
            Action("money.refuse", Role.LEAD, self.press_refuse),
            Action("money.withdraw", Role.TRAINER, self.press_withdraw),
        ]

    async def render(self, subject: str, payload: Mapping[str, Any], language: str) -> Content:
        """What an outbox entry about a run that waits shows, as things are by now."""
        t = translator(language)
        row, asker, decider = await self._approvals.get(payload["approval"])
        if subject == OUTCOME:
            return cards.outcome(t, row, asker, decider)
        return await self._keys.make(lambda keypad: cards.approval(t, keypad, row, asker, decider))

    async def facts(self, payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """The same for programs."""
        row, asker, decider = await self._approvals.get(payload["approval"])
        data = {
            "approval": row.id,
            "state": row.state,
            "asked_by": asker,
            "decided_by": None if row.decided_by is None else decider,
            "line": row.request["line"],
            "estimate": row.estimate,
            "job": row.job_id,
        }
        return f"approval.{row.state}", data

    async def usage(self, context: Context, arguments: str) -> None:
        """My month."""
        found = await self._money.usage(context.member)
        await context.reply(cards.usage(context.t, found, team=False))

    async def stats(self, context: Context, arguments: str) -> None:
        """The team's month."""
        found = await self._money.usage(None)
        card = cards.usage(context.t, found, team=True)
        good, bad = await self._spoken.votes()
        votes = Paragraph(context.t("stats.votes", good=good, bad=bad))
        await context.reply(Card(card.title, (*card.blocks, votes), rings=False))

    async def cost(self, context: Context, arguments: str) -> None:
        """What a job cost by its provider's bill; without an amount: what is booked."""
        number, _, text = arguments.strip().partition(" ")
        job_id = item_number(number)
        if text.strip():
            await self._money.tell(job_id, Amount.of(text), context.member)
        job, _ = await self._training.get(job_id)
        found = await self._money.cost(job)
        if found.amount is None:
            key = {By.FREE: "cost.free", By.NEVER_BEGAN: "cost.never_began"}.get(found.by, "cost.unknown")
            line = context.t(key, n=job_id)
        else:
            line = context.t(f"cost.told.{found.by}", n=job_id, amount=str(found.amount))
        await context.reply(cards.cost(context.t, line, job))

    async def budget(self, context: Context, arguments: str) -> None:
        """Show or set limits."""
        words = arguments.split()
        if words:
            scope, rest = _scope(words)
            if rest and rest[0].lower() in _OFF:
                if len(rest) != 2:
                    raise UserError("budget_usage")
                await self._money.limit(scope, Amount.of(f"0 {rest[1]}"), context.member, off=True)
            else:
                await self._money.limit(scope, Amount.of(" ".join(rest)), context.member)
        await context.reply(cards.budgets(context.t, await self._money.limits()))

    async def approve(self, context: Context, arguments: str) -> None:
        """What waits; with a number, approve it."""
        if arguments.strip():
            text = await self._approve(context, item_number(arguments))
            await context.reply(Card(blocks=(Paragraph(text),), rings=False))
            return
        found = await self._approvals.waiting()
        names = {member.id: member.name for member in await self._access.everybody() if member.id is not None}
        await context.reply(lambda keypad: cards.approvals(context.t, keypad, found, names, context.member.id))

    async def press_approve(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """The same by button."""
        return Ack(await self._approve(context, payload["approval"]))

    async def press_refuse(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """No."""
        number = payload["approval"]
        await self._approvals.refuse(number, context.member)
        return Ack(context.t("approval.refused", n=number))

    async def press_withdraw(self, context: Context, payload: Mapping[str, Any]) -> Ack | None:
        """Whoever asked does not wish it any more."""
        await self._approvals.withdraw(payload["approval"], context.member)
        line = Paragraph(context.t("approval.withdrawn"), Tone.MUTED)
        await context.show(context.ref, Card(blocks=(line,), rings=False))
        return Ack(context.t("approval.withdrawn"))

    async def _approve(self, context: Context, number: int) -> str:
        """Start what waits, in the name of whoever asked. The job and the decision are stored together, or neither."""
        row = await self._approvals.waits(number)
        if row.person_id == context.member.id:
            raise UserError("approval_own", n=number)
        asked = Asked(**row.request)
        requester = await self._member(row.person_id)
        run = await self._training.thaw(row.run, requester)
        job, _ = await self._training.start(
            run,
            requester,
            intent=row.intent,
            line=asked.line,
            place=asked.place,
            language=asked.language,
            request=asked.message,
            card=asked.shown,
            approval=(number, context.member),
        )
        self._watch.wake()
        self._approvals.wake()
        return context.t("approval.done", n=number, job=f"/job_{job.id}")

    async def _member(self, person_id: int) -> Member:
        for member in await self._access.everybody():
            if member.id == person_id and member.role >= Role.TRAINER:
                return member
        raise UserError("approval_person")


def _scope(words: list[str]) -> tuple[str, list[str]]:
    first = words[0].lower()
    if first in ("team", "团队"):
        return TEAM, words[1:]
    if first in ("approval", "审批"):
        return APPROVAL, words[1:]
    if first in ("person", "个人") and len(words) > 1 and words[1].isascii() and words[1].isdigit():
        return person(int(words[1])), words[2:]
    raise UserError("budget_usage")
