"""The first lines that people see: start, help, who I am, what is kept."""

from collections.abc import Sequence

from bot.chat.content import Block, ButtonStyle, Card, Code, Fields, Items, MenuEntry, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from bot.services.access import Member, Role
from bot.services.linking import Offer


def start(t: Translator, keypad: Keypad, member: Member, *, group: bool = False) -> Card:
    """The hero line and three tiles; in a group also how to be heard there."""
    if member.role is Role.GUEST:
        return Card(t("card.start"), (Paragraph(t("card.start.guest")), Paragraph(t("card.start.fun"), Tone.MUTED)))
    tiles = [Paragraph(t("card.start.group" if group else "card.start.talk"))]
    buttons = [keypad.press(t("button.help"), "help")]
    if member.role >= Role.TRAINER:
        tiles = [Paragraph(t("card.start.upload")), Paragraph(t("card.start.train")), *tiles]
        buttons.insert(0, keypad.press(t("button.sample"), "dataset.sample", style=ButtonStyle.PRIMARY))
    return Card(t("card.start"), (*tiles, Paragraph(t("card.start.fun"), Tone.MUTED)), (tuple(buttons),), rings=False)


def help_list(t: Translator, member: Member, menu: Sequence[MenuEntry]) -> Card:
    """The commands that this role may use."""
    items = tuple(
        f"/{entry.name}" + (f" {entry.arguments}" if entry.arguments else "") + f" · {entry.descriptions[t.language]}"
        for entry in menu
        if Role.of(entry.role) <= member.role
    )
    more = Paragraph(t("card.help.more"), Tone.MUTED)
    return Card(t("card.help"), (Items(items), more), rings=False, personal=True)


def help_one(t: Translator, entry: MenuEntry) -> Card:
    """One command in full."""
    usage = f"/{entry.name}" + (f" {entry.arguments}" if entry.arguments else "")
    blocks: list[Block] = [Code(usage), Paragraph(entry.descriptions[t.language])]
    if t.has(f"help.{entry.name}"):
        blocks.append(Paragraph(t(f"help.{entry.name}")))
    blocks.append(Paragraph(t("card.help.role", role=t(f"role.{entry.role}")), Tone.MUTED))
    return Card(f"/{entry.name}", tuple(blocks), rings=False, personal=True)


def whoami(t: Translator, member: Member) -> Card:
    """My name, role and number."""
    rows = [(t("fact.name"), member.name or "?"), (t("fact.role"), t(f"role.{member.role.word}"))]
    if member.id is not None:
        rows.append((t("fact.number"), str(member.id)))
    return Card(t("card.whoami"), (Fields(tuple(rows)),), rings=False, personal=True)


def invite(t: Translator, code: str, role: Role, link: str | None = None) -> Card:
    """A one-time code, and what to do with it. ``link``: whoever opens it needs no code."""
    blocks: list[Block] = [Code(code), Paragraph(t("card.invite.how", command=f"/start {code}"))]
    copies = [Keypad.copy(t("button.copy_code"), code)]
    if link is not None:
        blocks.append(Paragraph(t("card.invite.link", link=link)))
        copies.append(Keypad.copy(t("button.copy_link"), link))
    return Card(
        t("card.invite", role=t(f"role.{role.word}")),
        tuple(blocks),
        (tuple(copies),),
        rings=False,
        personal=True,
    )


def link_code(t: Translator, code: str, minutes: int) -> Card:
    """A one-time code for another platform."""
    blocks = (Code(code), Paragraph(t("card.link.how", command=f"/link {code}", minutes=minutes)))
    copy = Keypad.copy(t("button.copy_code"), f"/link {code}")
    return Card(t("card.link"), blocks, ((copy,),), rings=False, personal=True)


def link_offer(t: Translator, keypad: Keypad, offer: Offer, member: Member, person_id: int | None) -> Card:
    """What becoming one means, before it is done."""
    role = max(offer.role, member.role)
    rows = (
        (t("fact.name"), offer.person),
        (t("fact.platforms"), ", ".join(_platform(t, name) for name in offer.platforms)),
        (t("fact.role"), t(f"role.{role.word}")),
    )
    yes = keypad.press(
        t("button.link"), "link.merge", style=ButtonStyle.PRIMARY, person_id=person_id, once=True, code=offer.key
    )
    blocks = (Fields(rows), Paragraph(t("card.link.merge")))
    return Card(t("card.link.offer"), blocks, ((yes,),), tone=Tone.WARNING, rings=False, personal=True)


def _platform(t: Translator, name: str) -> str:
    return t(f"platform.{name}") if t.has(f"platform.{name}") else name
