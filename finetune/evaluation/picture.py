"""The verdict as one picture for a phone, and the loss of a job that runs. Loads matplotlib: for the worker only.

1080 × 1350 pixels, opaque, Noto Sans SC (which knows Chinese and Latin), Okabe and Ito's palette, whose colours are
told apart by the colour-blind; shapes and words say the same as every colour. All words come from the caller, in the
reader's language (``words``); figures and what people wrote come from the verdict.
"""

import math
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.ft2font import FT2Font, LoadFlags
from matplotlib.ticker import MaxNLocator

from finetune.evaluation.gates import FAILED, PASSED
from finetune.evaluation.statistics import WinRate
from finetune.evaluation.verdict import Verdict
from finetune.images.fonts import chinese

WIDTH, HEIGHT = 1080, 1350
_DPI = 100
# Okabe and Ito, Color Universal Design (2008).
_BLUE, _ORANGE, _GREEN, _RED, _PURPLE = "#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7"
_INK, _PALE, _GRID, _PAPER = "#1b1b1b", "#5f6670", "#d9dde2", "#ffffff"
_COLOURS = {"base": _ORANGE, "prompted": _PURPLE, "tuned": _BLUE, "person": _GREEN}
_LEFT, _RIGHT = 0.045, 0.965
_GLYPHLESS = "·"


def draw(verdict: Verdict, words: Mapping[str, str], target: Path, *, people: Mapping[str, WinRate]) -> None:
    """Write the picture. ``people``: win rates of people's votes by what the tuned model was compared with."""
    with mpl.rc_context(cast("Any", _style())):
        _save(composed(verdict, words, people), target)


def composed(verdict: Verdict, words: Mapping[str, str], people: Mapping[str, WinRate]) -> Figure:
    """The figure, within the style that it is drawn in."""
    with mpl.rc_context(cast("Any", _style())):
        figure = _figure()
        pen = _Pen(figure, words)
        pen.line(_LEFT, 0.962, verdict.provenance.model, 30)
        state, colour, sign = _state(verdict, words)
        pen.write(_LEFT, 0.926, f"{sign} {state}", 21, colour=colour)
        _losses(figure.add_axes((0.11, 0.70, 0.84, 0.16)), verdict, pen)
        _rates(figure.add_axes((0.30, 0.535, 0.39, 0.105)), verdict, people, pen)
        _styles(figure.add_axes((0.30, 0.385, 0.65, 0.095)), verdict, pen)
        _gates(pen, verdict, 0.335)
        _example(pen, verdict, 0.215)
        _provenance(pen, verdict)
        return figure


def draw_curve(
    points: Sequence[tuple[int, float]],
    words: Mapping[str, str],
    target: Path,
    *,
    losses: tuple[float, float] | None,
) -> None:
    """Write the training loss of a job so far, 1080 × 720 pixels; ``losses``: held out, before and after."""
    with mpl.rc_context(cast("Any", _style())):
        figure = Figure(figsize=(WIDTH / _DPI, 7.2), dpi=_DPI, facecolor=_PAPER)
        axes = figure.add_axes((0.1, 0.13, 0.86, 0.68))
        _curve(axes, points, losses, _Pen(figure, words), 18)
        _save(figure, target)


def _style() -> dict[str, Any]:
    path = chinese()
    family = ["DejaVu Sans"]
    if path is not None:
        fontManager.addfont(str(path))
        family = [FontProperties(fname=str(path)).get_name(), *family]
    return {
        "font.family": family,
        "axes.edgecolor": _GRID,
        "text.color": _INK,
        "axes.unicode_minus": False,
        "text.parse_math": False,
    }


def _figure() -> Figure:
    return Figure(figsize=(WIDTH / _DPI, HEIGHT / _DPI), dpi=_DPI, facecolor=_PAPER)


def _save(figure: Figure, target: Path) -> None:
    # With the figures' text as data, for whoever reads pictures with a machine.
    texts = [text.get_text() for text in figure.findobj(match=mpl.text.Text) if text.get_text().strip()]
    figure.savefig(
        target, format="png", facecolor=_PAPER, transparent=False, metadata={"Description": "\n".join(texts)}
    )


class _Pen:
    """Writes on the figure in parts of its width and height."""

    def __init__(self, figure: Figure, words: Mapping[str, str]) -> None:
        self._figure = figure
        self.words = words

    def write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        *,
        colour: str = _INK,
        align: str = "left",
    ) -> None:
        self._figure.text(x, y, written(text), fontsize=size, color=colour, ha=align, va="center")

    def line(self, x: float, y: float, text: str, size: float, *, colour: str = _INK) -> None:
        """On one line to the right margin, with an ellipsis if more follows."""
        self.write(x, y, wrapped(written(text), room(x, size), 1)[0], size, colour=colour)

    def heading(self, y: float, key: str) -> None:
        self.write(_LEFT, y, self.words[key], 18)


def _state(verdict: Verdict, words: Mapping[str, str]) -> tuple[str, str, str]:
    if not verdict.enough and not verdict.failed:
        return words["nothing" if verdict.questions == 0 else "too_few"], _PALE, "?"
    return (words["passed"], _GREEN, "✓") if verdict.passed else (words["failed"], _RED, "✗")


def _losses(axes: Axes, verdict: Verdict, pen: _Pen) -> None:
    pair = (verdict.losses.base, verdict.losses.tuned) if verdict.losses else None
    _curve(axes, verdict.curve, pair, pen, 13)
    pen.heading(0.897, "losses")


def _curve(
    axes: Axes, points: Sequence[tuple[int, float]], losses: tuple[float, float] | None, pen: _Pen, size: float
) -> None:
    words = pen.words
    _plain(axes, size)
    points = [point for point in points if math.isfinite(point[1])]
    losses = losses if losses and all(map(math.isfinite, losses)) else None
    if not points and losses is None:
        axes.set_axis_off()
        axes.text(0.5, 0.5, words["no_curve"], ha="center", va="center", fontsize=size, color=_PALE)
        return
    if points:
        steps, values = [point[0] for point in points], [point[1] for point in points]
        axes.plot(steps, values, color=_BLUE, linewidth=2, label=words["training_loss"])
        best = min(points, key=lambda point: point[1])
        told = words["best"].format(step=best[0], loss=f"{best[1]:.2f}")
        axes.plot(*best, "o", color=_BLUE, markersize=8, label=told, linestyle="none", clip_on=False)
        axes.set_xlabel(words["steps"], fontsize=size, color=_PALE)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        if steps[0] == steps[-1]:
            axes.set_xticks((steps[0],))
    else:
        axes.set_xticks(())
    top = max([value for _, value in points] + [*(losses or ())])
    if losses is not None:
        for value, key, colour, line in ((losses[0], "base", _ORANGE, "--"), (losses[1], "tuned", _GREEN, "-.")):
            axes.axhline(
                value, color=colour, linestyle=line, linewidth=2, label=words[f"held_{key}"].format(loss=f"{value:.2f}")
            )
    # Over the plot: in it something would lie under it sooner or later.
    axes.legend(
        loc="lower right",
        bbox_to_anchor=(1.0, 1.0),
        ncols=2,
        fontsize=size,
        frameon=False,
        borderaxespad=0.2,
        columnspacing=1.2,
        labelspacing=0.25,
    )
    axes.set_ylim(0, top * 1.15 if top > 0 else 1)


def _plain(axes: Axes, size: float) -> None:
    axes.set_facecolor(_PAPER)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color=_GRID, linewidth=0.8)
    axes.tick_params(labelsize=size, colors=_PALE, length=0)


def _rates(axes: Axes, verdict: Verdict, people: Mapping[str, WinRate], pen: _Pen) -> None:
    pen.heading(0.652, "wins")
    rows = [("judge", other, rate) for other, rate in verdict.judges.items()]
    rows += [("people", other, rate) for other, rate in people.items() if rate.decided or rate.equal]
    axes.set_xlim(0, 1)
    if not rows:
        axes.set_axis_off()
        pen.write(_LEFT, 0.62, pen.words["no_votes"], 14, colour=_PALE)
        return
    _plain(axes, 13)
    axes.axvline(0.5, color=_PALE, linestyle=":", linewidth=1.5)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([written(pen.words[f"{who}_{other}"]) for who, other, _ in rows])
    axes.set_xticks((0, 0.5, 1))
    axes.set_xticklabels(("0 %", "50 %", "100 %"))
    for place, (who, _, rate) in enumerate(rows):
        text = pen.words["not_enough"].format(n=rate.decided)
        if rate.enough and rate.rate is not None and rate.low is not None and rate.high is not None:
            text = f"{rate.rate:.0%}  [{rate.low:.0%} – {rate.high:.0%}]  n = {rate.decided}"
            spread = [[rate.rate - rate.low], [rate.high - rate.rate]]
            marker = "s" if who == "judge" else "o"
            axes.errorbar(
                [rate.rate], [place], xerr=spread, fmt=marker, color=_BLUE, capsize=6, markersize=9, clip_on=False
            )
        beside = axes.get_yaxis_transform()
        axes.text(1.04, place, text, fontsize=12, color=_INK, va="center", transform=beside)


def _styles(axes: Axes, verdict: Verdict, pen: _Pen) -> None:
    pen.heading(0.494, "style")
    rows = [
        (who, style.likeness)
        for who in ("base", "prompted", "tuned", "person")
        if (style := verdict.styles.get(who)) is not None
        and style.likeness is not None
        and math.isfinite(style.likeness)
    ]
    if not rows:
        axes.set_axis_off()
        pen.write(_LEFT, 0.462, pen.words["no_style"], 14, colour=_PALE)
        return
    _plain(axes, 13)
    axes.grid(visible=False)
    axes.set_xlim(0, 1.12)
    axes.set_xticks(())
    axes.spines[["bottom"]].set_visible(False)
    axes.barh(range(len(rows)), [value for _, value in rows], color=[_COLOURS[who] for who, _ in rows], height=0.68)
    axes.set_yticks(range(len(rows)))
    axes.set_yticklabels([written(pen.words[who]) for who, _ in rows])
    # Few bars are no thicker than many.
    axes.set_ylim(max(len(rows), 4) - 0.5, -0.5)
    for place, (_, value) in enumerate(rows):
        axes.text(value + 0.012, place, f"{value:.0%}", fontsize=13, va="center")


def _gates(pen: _Pen, verdict: Verdict, top: float) -> None:
    pen.heading(top + 0.012, "gates")
    for place, gate in enumerate(verdict.gates):
        sign, colour = {PASSED: ("✓", _GREEN), FAILED: ("✗", _RED)}.get(gate.state, ("?", _PALE))
        x, y = 0.055 + place % 3 * 0.315, top - 0.02 - place // 3 * 0.026
        pen.write(x, y, sign, 16, colour=colour)
        pen.write(x + 0.028, y, pen.words[f"gate_{gate.name}"], 14)


def _example(pen: _Pen, verdict: Verdict, top: float) -> None:
    pen.heading(top + 0.012, "example")
    if verdict.example is None:
        pen.write(_LEFT, top - 0.02, pen.words["no_example"], 13, colour=_PALE)
        return
    y = top - 0.014
    for key, text, lines, colour in (
        ("question", verdict.example.question, 1, _INK),
        ("base", verdict.example.base, 2, _ORANGE),
        ("tuned", verdict.example.tuned, 3, _BLUE),
    ):
        pen.write(_LEFT, y, pen.words[key], 12.5, colour=colour)
        for line in wrapped(written(text), room(0.20, 12.5), lines):
            pen.write(0.20, y, line, 12.5)
            y -= 0.0195
        y -= 0.004


def _provenance(pen: _Pen, verdict: Verdict) -> None:
    known = verdict.provenance
    values = {"rows": known.training_rows, "held": known.held_out_rows, "questions": verdict.questions}
    first = f"{known.base} · {known.dataset} · {known.data_digest[:12]} · {pen.words['rows'].format(**values)}"
    parameters = " ".join(f"{name}={value:g}" for name, value in known.parameters.items())
    for y, text in ((0.040, first), (0.022, f"{parameters} · seed={known.seed} · {known.dated}")):
        pen.line(_LEFT, y, text, 10, colour=_PALE)


def room(x: float, size: float) -> float:
    """From there to the right margin, in halves of the width of a Chinese character of so many points."""
    return (_RIGHT - x) * WIDTH / (size * _DPI / 72 / 2)


def wrapped(text: str, width: float, lines: int) -> list[str]:
    """The text in lines of so many half-width characters, the last one with an ellipsis if more follows."""
    plain = " ".join(text.split())
    found: list[str] = []
    line, used = "", 0.0
    for place, letter in enumerate(plain):
        size = _wide(letter)
        if used + size > width:
            if len(found) == lines - 1:
                while line and used + _wide("…") > width:
                    used -= _wide(line[-1])
                    line = line[:-1]
                return [*found, line.rstrip() + "…"]
            space = line.rfind(" ")
            # Words stay whole where there are words.
            broken = space > len(line) * 2 // 3 and letter.isascii() and line[-1].isascii()
            head, tail = (line[:space], line[space + 1 :]) if broken else (line, "")
            found.append(head)
            line, used = tail, sum(map(_wide, tail))
        line, used = line + plain[place], used + size
    return [*found, line] if line or not found else found


def written(text: str) -> str:
    """The text with a point for each letter that no face of ours has: an empty box tells nobody anything."""
    known = _known()
    return "".join(letter if letter.isspace() or ord(letter) in known else _GLYPHLESS for letter in text)


@cache
def _faces() -> tuple[FT2Font, ...]:
    """Ours, in the order in which they are asked for a letter."""
    path = chinese()
    return tuple(get_font(each) for each in ([str(path)] if path else []) + [fontManager.findfont("DejaVu Sans")])


@cache
def _known() -> frozenset[int]:
    return frozenset(code for face in _faces() for code in face.get_charmap())


@cache
def _wide(letter: str) -> float:
    """A letter's width in halves of its size: 2 for a Chinese one."""
    for face in _faces():
        if ord(letter) in face.get_charmap():
            glyph = face.load_char(ord(letter), flags=LoadFlags.NO_SCALE)
            return 2.0 * float(glyph.horiAdvance) / float(face.units_per_EM)
    return 2.0
