"""A model that cannot stop."""

import pytest

from bot.answering.repeats import repeats


@pytest.mark.parametrize("piece", ["no ", "the cat sat. ", "我不知道。", "It is written in the stars. It is so. "])
def test_endless_repetition_is_seen(piece: str) -> None:
    begin = "The leaves say what they say: "
    text = begin + piece * (1200 // len(piece))
    again = repeats(text)
    assert again >= 400
    assert text[:-again].startswith(begin + piece) or again >= 1100


@pytest.mark.parametrize("size", [201, 300, 450, 900, 1500])
def test_a_paragraph_that_comes_again_and_again_is_seen(size: int) -> None:
    begin = "The leaves say what they say: "
    piece = "".join(f"leaf {number} is {number * number}, " for number in range(400))[: size - 1] + "\n"
    times = max(5, -(-1200 // size))
    assert repeats(begin + piece * (times - 1)) == 0
    again = repeats(begin + piece * times)
    assert again == (times - 1) * size
    # Wherever it is in the middle of saying it once more.
    half = piece[: size // 3]
    assert repeats(begin + piece * times + half) >= again


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no no no",
        "".join(f"{n}. The leaf number {n} says {n * 7}.\n" for n in range(60)),
        "-" * 600,
        "-" * 6000,
        ("Verse {}: the rain fell on the roof. " * 8 + "And this is the refrain, sung by all of them together. " * 5)
        * 2,
        "| a | b |\n" + "|---|---|\n" + "".join(f"| {n} | same words |\n" for n in range(80)),
        "Rain, rain, go away, come again another day. " * 4 + "And so the song went on, as songs do. " * 3,
    ],
)
def test_what_may_be_meant_is_left_alone(text: str) -> None:
    assert repeats(text) == 0
