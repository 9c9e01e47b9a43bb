"""Pictures by what they are: size, opacity, letters without empty boxes, and their text as data."""

from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.cards.verdict import picture_words
from finetune import workers
from finetune.evaluation import worker
from finetune.evaluation.losses import Losses
from finetune.evaluation.measures import verdict
from finetune.evaluation.picture import draw, wrapped, written
from finetune.evaluation.statistics import win_rate
from finetune.evaluation.verdict import Example
from tests.finetune.evaluation.contestants import Ground

pytestmark = pytest.mark.filterwarnings("error")


@pytest.mark.parametrize("language", ["zh", "en"])
def test_the_verdict_picture(ground: Ground, tmp_path: Path, language: str) -> None:
    found = verdict(ground.material(ground.good, losses=Losses(3.70, 2.32, None, None)))
    judged = replace(found, judges={"base": win_rate(["tuned"] * 17 + ["other"] * 6, 1)})
    words = picture_words(language)
    target = tmp_path / "verdict.png"
    # A letter that no face has warns, and a warning is an error here: there are no empty boxes.
    draw(judged, words, target, people={"base": win_rate(["tuned"] * 3, 1)})
    with Image.open(target) as picture:
        assert picture.size == (1080, 1350)
        rgba = picture.convert("RGBA")
        assert rgba.getchannel("A").getextrema() == (255, 255)
        assert (rgba.getpixel((2, 2)), rgba.getpixel((1077, 1347))) == ((255, 255, 255, 255),) * 2
        text = picture.info["Description"]
    assert "运势 teller (v1)" in text
    for expected in ("3.70", "2.32", "74% [54% – 87%]", words["passed"], words["gate_fits"], "seed=42"):
        assert expected in text.replace("  ", " "), expected
    assert words["not_enough"].format(n=3) in text


def test_nothing_to_show_is_said(ground: Ground, tmp_path: Path) -> None:
    material = ground.material(ground.good)
    found = verdict(replace(material, contest=replace(material.contest, held_out=()), curve=()))
    draw(found, picture_words("en"), tmp_path / "empty.png", people={})
    with Image.open(tmp_path / "empty.png") as picture:
        text = picture.info["Description"]
    for key in ("nothing", "no_curve", "no_votes", "no_style", "no_example"):
        assert picture_words("en")[key] in text


def test_any_text_can_be_drawn(ground: Ground, tmp_path: Path) -> None:
    found = verdict(ground.material(ground.good))
    odd = "$x_1^2$ 🀄\u200b ꙮ \\frac {a} 龘 " * 30
    draw(replace(found, example=Example(odd, odd, odd, odd)), picture_words("zh"), tmp_path / "odd.png", people={})
    assert "🀄" not in written("🀄 龘")


def test_lines_are_as_long_as_they_may_be() -> None:
    lines = wrapped("罗盘轻轻一转，指针停在朝东的窗上，像一只想换枝头的小雀。", 20, 2)
    assert len(lines) == 2
    assert lines[1].endswith("…")
    assert all(len(line) <= 11 for line in lines)
    assert wrapped("short", 20, 2) == ["short"]
    assert wrapped("", 20, 2) == [""]
    assert "".join(wrapped("one two three four five", 10, 9)).replace(" ", "") == "onetwothreefourfive"


async def test_the_worker_measures_and_draws_within_its_bounds(ground: Ground, tmp_path: Path) -> None:
    found = verdict(ground.material(ground.good))
    await workers.ask(
        worker.MODULE,
        {
            "work": "curve",
            "curve": [list(point) for point in found.curve],
            "losses": [3.7, 2.3],
            "words": dict(picture_words("zh")),
            "target": str(tmp_path / "curve.png"),
        },
        seconds=60,
        memory_bytes=worker.MEMORY_BYTES,
        environment=worker.ENVIRONMENT,
    )
    with Image.open(tmp_path / "curve.png") as picture:
        assert picture.size == (1080, 720)
