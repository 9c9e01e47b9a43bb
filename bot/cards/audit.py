"""Who did what when."""

from bot.chat.content import Block, Button, Card, Items, Paragraph
from bot.chat.keypad import Keypad
from bot.locales import Translator
from bot.services.access import Role
from bot.services.audit import Page
from bot.services.money import Amount
from storage.repositories.audit import Act, Entry
from storage.repositories.models import LIVE

_LONGEST_REASON = 100
# What nobody does by hand.
_ALONE = ("release.canary_returned",)


def page(t: Translator, keypad: Keypad, found: Page) -> Card:
    """One page, with the way to the others."""
    if found.entries:
        blocks: list[Block] = [Items(tuple(_line(t, entry, found) for entry in found.entries))]
    else:
        blocks = [Paragraph(t("audit.none" if found.number == 1 else "audit.no_more"))]
    row: list[Button] = []
    if found.number > 1:
        row.append(keypad.press(t("button.newer"), "audit.page", page=found.number - 1))
    if found.older:
        row.append(keypad.press(t("button.older"), "audit.page", page=found.number + 1))
    if found.entries:
        row.append(keypad.press(t("button.audit_table"), "audit.table"))
    return Card(t("card.audit", n=found.number), tuple(blocks), (tuple(row),) if row else (), rings=False)


def _line(t: Translator, entry: Entry, found: Page) -> str:
    if entry.kind in _ALONE:
        person = t("audit.itself")
    else:
        person = t("audit.nobody") if entry.person_id is None else _name(t, found, entry.person_id)
    return t("audit.line", when=t.when(entry.at), person=person, what=_what(t, entry, found))


def _name(t: Translator, found: Page, person_id: int) -> str:
    return found.names.get(person_id, t("audit.gone"))


def _what(t: Translator, entry: Entry, found: Page) -> str:
    # Numbers that name something are not written as amounts are.
    facts = {name: str(fact) if type(fact) is int and name != "micros" else fact for name, fact in entry.facts.items()}
    if "job" in facts:
        facts["job"] = f"/job_{facts['job']}"
    if "micros" in facts:
        facts["amount"] = str(Amount(entry.facts["micros"] or 0, entry.facts["currency"]))
    for name in {"role", "before", "after"} & facts.keys():
        facts[name] = t(f"role.{facts[name]}")
    if entry.kind == Act.ROLE:
        kind = "audit.role.out" if entry.facts["after"] == Role.GUEST.word else "audit.role"
        return t(kind, **{**facts, "name": _name(t, found, entry.facts["subject"])})
    if entry.kind == Act.SHARE:
        whom = entry.facts["whom"]
        name = t("share.team") if whom is None else _name(t, found, whom)
        return t(f"audit.share.{facts['right'] or 'off'}", dataset=facts["dataset"], name=name)
    if entry.kind == "budget":
        scope, _, person = facts["scope"].partition(":")
        kind = "audit.budget.off" if facts["micros"] is None else "audit.budget"
        return t(kind, of=t(f"audit.scope.{scope}", person=person), amount=facts["amount"], currency=facts["currency"])
    if entry.kind.startswith("release."):
        version = t("audit.base") if facts["version"] is None else f"v{facts['version']}"
        if facts["alias"] != LIVE:
            version += f" @{facts['alias']}"
        if entry.kind in _ALONE:
            return t(f"audit.{entry.kind}.{facts['reason']}", version=version)
        reason = " ".join(facts["reason"].split())[:_LONGEST_REASON]
        return t(f"audit.{entry.kind}", version=version) + (f" ({reason})" if reason else "")
    return t(f"audit.{entry.kind}", **facts)
