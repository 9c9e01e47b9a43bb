"""A verdict as a page of its own: the same facts as the card, all figures, the example in full."""

import csv
import io
from base64 import b64encode
from importlib import resources

from jinja2 import Environment

from bot.cards.verdict import report
from bot.chat.content import Fields, Items, Paragraph
from bot.chat.keypad import Keypad
from bot.locales import translator
from bot.services.proof import Shown

_PAGE = Environment(autoescape=True).from_string(
    resources.files("bot.cards").joinpath("report_page.html.jinja").read_text("utf-8")
)


def html(shown: Shown, language: str, assets: str) -> str:
    """The page. Whatever people and models wrote stands in it as text."""
    t = translator(language)
    card = report(t, Keypad(b"-"), shown, may_promote=False, files=False)
    example = shown.verdict.example if shown.verdict else None
    told = []
    if example is not None:
        told = [(t(f"picture.{who}"), getattr(example, who)) for who in ("question", "base", "tuned")]
        told.append((t("picture.person"), example.reference))
    rows = list(csv.reader(io.StringIO(shown.verdict.as_csv())))[1:] if shown.verdict else []
    figures = [(name, of, _short(value)) for name, of, value in rows]
    fields = [row for block in card.blocks if isinstance(block, Fields) for row in block.rows]
    return _PAGE.render(
        language=language,
        assets=assets,
        title=card.title,
        notes=[block.text for block in card.blocks if isinstance(block, Paragraph)],
        picture=b64encode(shown.picture).decode() if shown.picture else "",
        alt="; ".join(f"{name} {value}" for name, value in fields),
        fields=fields,
        gates=[line for block in card.blocks if isinstance(block, Items) for line in block.items],
        example=told,
        figures=figures,
        words={key: t(f"picture.{key}") for key in ("gates", "example", "figures")},
    )


def _short(value: str) -> str:
    """A figure to four digits, for eyes; files have all of them. A dash for one that is not known."""
    try:
        return f"{float(value):.4g}" if "." in value else value or "–"
    except ValueError:
        return value
