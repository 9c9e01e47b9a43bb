"""What was spent, what may be, and what waits for a lead."""

from collections.abc import Mapping, Sequence

from bot.chat.content import Block, Button, ButtonStyle, Card, Fields, Items, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from bot.services.money import Amount, By, Cost, Usage
from storage.repositories.ledger import Answers
from storage.tables import Approval, BudgetRow, Job

# Runs on one card: more buttons than these no chat shows.
_MOST = 10


def usage(t: Translator, found: Usage, *, team: bool) -> Card:
    """A month of a person or of the team."""
    rows = [
        (t("usage.spent"), _amounts(t, found.spent)),
        (t("usage.assumed"), _amounts(t, found.assumed)),
        (t("usage.open"), _amounts(t, found.open)),
        *_answers(t, found.answers),
    ]
    rows += [(t("usage.limit"), str(Amount(row.micros or 0, row.currency))) for row in found.limits]
    title = t("card.usage.team" if team else "card.usage", month=found.month)
    return Card(title, (Fields(tuple(rows)), Paragraph(t("usage.assumed.why"), Tone.MUTED)), rings=False)


def _answers(t: Translator, found: Sequence[Answers]) -> list[tuple[str, str]]:
    """What was said and what it cost; whatever was not told, or has no published price, is counted apart."""
    prompt, completion = sum(row.prompt_tokens for row in found), sum(row.completion_tokens for row in found)
    rows = [(t("usage.tokens"), t("usage.tokens.value", prompt=prompt, completion=completion))]
    paid: dict[str, int] = {}
    for row in found:
        paid[row.currency] = paid.get(row.currency, 0) + row.micros
    rows.append((t("usage.chat"), _amounts(t, paid)))
    unpriced = sum(row.told for row in found if not row.priced)
    if unpriced:
        rows.append((t("usage.unpriced"), t("usage.answers", n=unpriced)))
    untold = sum(row.count - row.told for row in found)
    if untold:
        rows.append((t("usage.untold"), t("usage.answers", n=untold)))
    return rows


def _amounts(t: Translator, sums: Mapping[str, int]) -> str:
    found = [str(Amount(micros, currency)) for currency, micros in sorted(sums.items()) if currency and micros]
    return ", ".join(found) or t("usage.none")


def cost_line(t: Translator, job: Job, found: Cost) -> str:
    """What a job cost, beside what was expected; what nobody tells is said to be not told."""
    if found.by is By.FREE:
        return t("fact.price.free")
    actual = t(f"cost.by.{found.by}", amount=str(found.amount or ""))
    price = job.plan.get("price")
    if not price:
        return t("cost.beside.nothing", actual=actual)
    low, high = f"{price['low']:,.2f}", f"{price['high']:,.2f}"
    return t("cost.beside", actual=actual, low=low, high=high, currency=price["currency"])


def cost(t: Translator, line: str, job: Job) -> Card:
    """What a job cost, beside what was expected of it."""
    blocks: list[Block] = [Paragraph(line)]
    price = job.plan.get("price")
    if price:
        expected = t(
            "cost.expected",
            low=f"{price['low']:,.2f}",
            high=f"{price['high']:,.2f}",
            currency=price["currency"],
            source=price["source"],
            dated=price["dated"],
        )
        blocks.append(Paragraph(expected, Tone.MUTED))
    planned, trained = job.plan.get("tokens"), (job.progress or {}).get("trained_tokens")
    if planned and trained:
        total = planned * job.hyperparameters["epochs"]
        against = t("fact.against", value=t.number(trained), expected=t.number(total))
        blocks.append(Fields(((t("fact.trained_tokens"), against),)))
    return Card(blocks=tuple(blocks), rings=False)


def budgets(t: Translator, found: Sequence[BudgetRow]) -> Card:
    """All limits."""
    lines = [
        t(
            "budget.approval" if row.scope == "approval" else "budget.team" if row.scope == "team" else "budget.person",
            amount=str(Amount(row.micros or 0, row.currency)),
            person=row.scope.partition(":")[2],
        )
        for row in found
    ]
    blocks: list[Block] = [Items(tuple(lines))] if lines else [Paragraph(t("budget.none"))]
    blocks.append(Paragraph(t("budget.how"), Tone.MUTED))
    return Card(t("card.budgets"), tuple(blocks), rings=False)


def waiting(t: Translator, keypad: Keypad, name: str, number: int, line: str) -> Card:
    """In the place of the confirm card: a run waits for a lead."""
    take_back = keypad.press(t("button.withdraw"), "money.withdraw", approval=number)
    return Card(t("card.waits", name=name), (Paragraph(line, Tone.WARNING),), ((take_back,),), rings=False)


def approvals(
    t: Translator, keypad: Keypad, found: Sequence[Approval], names: Mapping[int, str], reader: int | None
) -> Card:
    """What waits for a lead. What the ``reader`` asked for is for others to decide."""
    if not found:
        return Card(t("card.approvals"), (Paragraph(t("approvals.none")),), rings=False)
    lines = [
        t("approvals.item", n=row.id, person=names.get(row.person_id, "?"), amount=_expected(t, row),
          line=str(row.request["line"]))
        for row in found[:_MOST]
    ]  # fmt: skip
    rows = [_decisions(t, keypad, row) for row in found[:_MOST] if row.person_id != reader]
    blocks: list[Block] = [Items(tuple(lines))]
    if len(found) > _MOST:
        blocks.append(Paragraph(t("approvals.more", n=len(found) - _MOST), Tone.MUTED))
    return Card(t("card.approvals"), tuple(blocks), tuple(rows), rings=False)


def approval(t: Translator, keypad: Keypad, row: Approval, asker: str, decider: str) -> Card:
    """The notice that a lead gets; once it is decided it says by whom, and offers nothing any more."""
    facts = ((t("fact.price"), _expected(t, row)), (t("approval.run"), str(row.request["line"])))
    title = t("card.approval", n=row.id, person=asker)
    if row.state != "pending":
        line = Paragraph(_decided(t, row, decider), Tone.MUTED)
        return Card(title, (Fields(facts), line), rings=False)
    return Card(title, (Fields(facts), Paragraph(t("approval.how"), Tone.MUTED)), (_decisions(t, keypad, row),))


def outcome(t: Translator, row: Approval, asker: str, decider: str) -> Card:
    """What came of it, for whoever asked."""
    title = t("card.approval.outcome", person=asker, n=row.id)
    tone = Tone.GOOD if row.state == "approved" else Tone.WARNING
    next_step = "approval.next.approved" if row.state == "approved" else "approval.next.refused"
    return Card(title, (Paragraph(_decided(t, row, decider)), Paragraph(t(next_step), Tone.MUTED)), tone=tone)


def _decided(t: Translator, row: Approval, decider: str) -> str:
    return t(f"approval.was.{row.state}", name=decider, job=f"/job_{row.job_id}")


def _expected(t: Translator, row: Approval) -> str:
    return t("approval.at_most", amount=str(Amount(**row.estimate))) if row.estimate else t("fact.price.unknown")


def _decisions(t: Translator, keypad: Keypad, row: Approval) -> tuple[Button, ...]:
    return (
        keypad.press(t("button.approve", n=row.id), "money.approve", style=ButtonStyle.PRIMARY, approval=row.id),
        keypad.press(t("button.refuse", n=row.id), "money.refuse", style=ButtonStyle.DANGER, approval=row.id),
    )
