"""The verdict's picture of awkward facts: no text leaves it, and none lies on another."""

import itertools
from dataclasses import fields, replace

import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.transforms import Bbox

from bot.cards.verdict import picture_words
from finetune.evaluation.gates import Gate
from finetune.evaluation.losses import Losses
from finetune.evaluation.picture import HEIGHT, WIDTH, composed
from finetune.evaluation.statistics import WinRate, win_rate
from finetune.evaluation.style import Style
from finetune.evaluation.verdict import Example, Provenance, Verdict

pytestmark = pytest.mark.filterwarnings("error")
NAN, INFINITE = float("nan"), float("inf")
GATES = ("learned", "ends", "language", "repetition", "identity", "copied", "fits", "general")
LONG, CHINESE = "a-very-long-name-of-a-model-" * 8, "镜花水月占卜大师第三版长名字" * 6
PARAMETERS = {"learning_rate": 1e-4, "epochs": 3, "batch_size": 16, "max_tokens": 4096, "rank": 8, "alpha": 32}


def style(likeness: float) -> Style:
    return Style(**{each.name: likeness if each.name == "likeness" else 0.9 for each in fields(Style)})


def gates(*states: str) -> tuple[Gate, ...]:
    return tuple(Gate(name, state, ()) for name, state in zip(GATES, itertools.cycle(states), strict=False))


USUAL = Verdict(
    provenance=Provenance(
        "teller (v1)", "t:1", "Qwen/Qwen2.5-7B-Instruct", "teller #1", "ab" * 32, 140, 20, PARAMETERS, 42,
        "Apache-2.0", "2026-11-25",
    ),
    questions=20,
    losses=Losses(3.7, 2.3, None, None),
    curve=tuple((step, 3.7 - step * 0.02) for step in range(1, 60)),
    styles={"base": style(0.1), "prompted": style(0.4), "tuned": style(1.0), "person": style(0.95)},
    memorised={"tuned": 0.2},
    gates=gates("passed"),
    judges={"base": win_rate(["tuned"] * 17 + ["other"] * 6, 1), "prompted": win_rate(["other"] * 123, 1)},
    judge_model="judge",
    example=Example("Should I move house?", "Wait.", "Base words here. " * 20, "Tuned words here. " * 20),
    thin=(),
    seconds=12.0,
)  # fmt: skip
VOTES = {"base": win_rate(["tuned"] * 22 + ["other"] * 3, 3), "prompted": win_rate(["tuned"] * 3, 1)}


def named(name: str) -> Verdict:
    provenance = replace(USUAL.provenance, model=f"{name} (v12)", base=name, dataset=name)
    return replace(USUAL, provenance=provenance, example=Example(name * 4, name, name * 9, name * 9))


NOTHING = replace(USUAL, questions=0, curve=(), losses=None, styles={}, gates=(), judges={}, example=None, memorised={})
CASES: dict[str, tuple[Verdict, dict[str, WinRate]]] = {
    "usual": (USUAL, VOTES),
    "long names": (named(LONG), {}),
    "wide names": (named("W" * 200), VOTES),
    "Chinese names": (named(CHINESE), VOTES),
    "one question": (replace(USUAL, questions=1, judges={}, gates=gates("unknown"), curve=((1, 3.2),)), {}),
    "no votes, no judge": (replace(USUAL, judges={}), {}),
    "not a number": (
        replace(
            USUAL,
            losses=Losses(NAN, NAN, None, None),
            curve=((1, 3.2), (2, NAN), (3, INFINITE), (4, 2.0)),
            styles={"base": style(NAN), "tuned": style(0.5)},
        ),
        VOTES,
    ),
    "no losses": (replace(USUAL, losses=None, curve=()), VOTES),
    "held out only": (replace(USUAL, curve=()), VOTES),
    "one step": (replace(USUAL, curve=((1, 3.2),)), VOTES),
    "a thousand steps": (replace(USUAL, curve=tuple((n, 4 * 0.998**n) for n in range(1, 1001))), VOTES),
    "far too high": (replace(USUAL, losses=Losses(0.001, 123456.5, None, None)), VOTES),
    "no loss left": (replace(USUAL, curve=((1, 0.0), (2, 0.0)), losses=Losses(0.0, 0.0, None, None)), VOTES),
    "failed": (replace(USUAL, gates=gates("failed", "unknown")), {"base": win_rate(["other"] * 30, 3)}),
    "nothing": (NOTHING, {}),
}


def boxes(figure: Figure) -> list[tuple[str, Bbox]]:
    """Every text that is seen, with where it is."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    renderer = canvas.get_renderer()  # type: ignore[no-untyped-call]
    found: list[Text] = list(figure.texts)
    for axes in figure.axes:
        found += axes.texts
        if legend := axes.get_legend():
            found += legend.get_texts()
        if axes.axison:
            found += [axes.xaxis.label, axes.yaxis.label, *ticks(axes)]
    shown = [text for text in found if text.get_visible() and text.get_text().strip()]
    return [(text.get_text(), text.get_window_extent(renderer)) for text in shown]


def ticks(axes: Axes) -> list[Text]:
    found = []
    for axis, place in ((axes.xaxis, 0), (axes.yaxis, 1)):
        low, high = sorted(axis.get_view_interval())
        found += [text for text in axis.get_ticklabels() if low <= text.get_position()[place] <= high]
    return found


@pytest.mark.parametrize("language", ["zh", "en"])
@pytest.mark.parametrize("case", CASES)
def test_no_text_leaves_the_picture_or_lies_on_another(case: str, language: str) -> None:
    verdict, people = CASES[case]
    figure = composed(verdict, picture_words(language), people)
    found = boxes(figure)
    assert len(found) > 5
    for text, box in found:
        assert box.x0 >= 0, text
        assert box.y0 >= 0, text
        assert box.x1 <= WIDTH, text
        assert box.y1 <= HEIGHT, text
    for (one, first), (other, second) in itertools.combinations(found, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        # Letters have room above and below in their box.
        assert across <= 0 or down <= 4, (one, other, across, down)


def test_the_measure_sees_what_it_should() -> None:
    figure = composed(USUAL, picture_words("en"), VOTES)
    figure.text(0.045, 0.97, "over the name", fontsize=30)
    figure.text(0.9, 0.5, "over the edge of the picture", fontsize=30)
    found = dict(boxes(figure))
    name, over = found["teller (v1)"], found["over the name"]
    assert min(name.y1, over.y1) - max(name.y0, over.y0) > 4
    assert found["over the edge of the picture"].x1 > WIDTH
