"""What people talk to now, and the way back."""

import re
from collections.abc import Sequence

from bot.chat.content import Block, Card, Items, Paragraph, Tone
from bot.chat.keypad import Keypad
from bot.locales import Translator
from bot.services.promotion import Moved, Settled
from bot.services.releases import LIVE, label_of
from storage.tables import TunedModel

_TAPPABLE = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


def command(name: str, alias: str) -> str:
    """A command with a name, to tap where the name allows it."""
    return f"/{name}_{alias}" if _TAPPABLE.fullmatch(alias) else f"/{name} @{alias}"


def moved(t: Translator, keypad: Keypad, found: Moved) -> Card:
    """The one grey line that names what a name means now, with the way back."""
    name = label_of(found.now) if found.now else t("picture.base")
    version = found.now.version if found.now else 0
    if found.waits:
        again = f"/promote_v{version}" if found.alias == LIVE else f"/promote_v{version} @{found.alias}"
        return Card(blocks=(Paragraph(t("card.promotion_waits", name=name, command=again)),))
    if found.awaits:
        key = "card.promotion_awaits" if found.alias == LIVE else "card.promotion_awaits.named"
        line = Paragraph(t(key, name=name, alias=found.alias, command=_at_once(version, found.alias)))
        stop = keypad.press(t("button.stays"), "release.withdraw", alias=found.alias, version=version)
        return Card(blocks=(line,), buttons=((stop,),), rings=False)
    if found.canary:
        return Card(blocks=(Paragraph(t("card.canary.ended")),), rings=False)
    if found.alias == LIVE:
        text = t("card.switched", name=name) if found.now else t("card.switched.base")
    elif found.now:
        text = t("card.named", alias=found.alias, name=name, command=command("try", found.alias))
    else:
        text = t("card.named.nothing", alias=found.alias)
    back = keypad.press(t("button.back"), "release.rollback", alias=found.alias, version=version)
    return Card(blocks=(Paragraph(text, Tone.MUTED),), buttons=((back,),))


def _at_once(version: int, alias: str) -> str:
    return f"/promote v{version}" + ("" if alias == LIVE else f" @{alias}")


def stays(t: Translator, found: Moved) -> Card:
    """What a name means after all, though another model was to take its place."""
    assert found.former is not None
    name = label_of(found.now) if found.now else t("picture.base")
    if found.alias == LIVE:
        line = t("card.stays", name=label_of(found.former), now=name)
    else:
        line = t("card.stays.named", name=label_of(found.former), alias=found.alias)
    return Card(blocks=(Paragraph(line, Tone.MUTED),), rings=False)


def settled(t: Translator, version: int, outcome: str, alias: str, person: str) -> Paragraph:
    """What became of the wish that a name moves to a version once it is tested."""
    key = f"card.settled.{outcome}" + ("" if alias == LIVE else ".named")
    tone = Tone.GOOD if outcome == Settled.MOVED else Tone.NORMAL
    return Paragraph(t(key, person=person, alias=alias, command=_at_once(version, alias)), tone)


def canary_begun(t: Translator, found: Moved, share: int) -> Card:
    """A share of all conversations talks to another model, or will when a second person agrees."""
    assert found.now is not None
    name = label_of(found.now)
    if found.waits:
        again = f"/promote_v{found.now.version} --canary {share}%"
        return Card(blocks=(Paragraph(t("card.promotion_waits", name=name, command=again)),))
    line = t("card.canary", name=name, share=t.percent(share / 100))
    return Card(blocks=(Paragraph(line), Paragraph(t("card.canary.back"), Tone.MUTED)), rings=False)


def tried(t: Translator, model: TunedModel, alias: str | None) -> Card:
    """A chat talks to a model of its own choice."""
    name = label_of(model)
    line = t("card.try.named", alias=alias, name=name) if alias else t("card.try", name=name)
    return Card(blocks=(Paragraph(line),), rings=False)


def tried_no_more(t: Translator, *, ended: bool) -> Card:
    """A chat talks to what everybody talks to."""
    return Card(blocks=(Paragraph(t("card.try.ended" if ended else "card.try.none"), Tone.MUTED),), rings=False)


def here(
    t: Translator,
    model: TunedModel | None,
    alias: str | None,
    aliases: Sequence[tuple[str, TunedModel]],
    *,
    tried: bool,
    trains: bool,
) -> Card:
    """What a chat talks to, and by which names others can be talked to."""
    name = label_of(model) if model else t("picture.base")
    if tried:
        now = t("card.try.named", alias=alias, name=name) if alias else t("card.try", name=name)
    else:
        now = t("card.here.live", name=name)
    blocks: list[Block] = [Paragraph(now)]
    if aliases:
        items = (
            t("card.here.item", command=command("try", each), alias=each, name=label_of(of)) for each, of in aliases
        )
        blocks.append(Items(tuple(items)))
    else:
        blocks.append(Paragraph(t("card.here.none"), Tone.MUTED))
    if trains:
        blocks.append(Paragraph(t("card.here.versions"), Tone.MUTED))
    return Card(t("card.here"), tuple(blocks), rings=False)
