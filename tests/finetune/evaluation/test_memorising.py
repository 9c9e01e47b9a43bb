"""The longest common piece, against a plain definition of it."""

from hypothesis import given, settings
from hypothesis import strategies as st

from finetune.evaluation.memorising import Trained, folded


def plainly(answer: str, training: list[str]) -> int:
    text = folded(answer)
    pieces = (text[i:j] for i in range(len(text)) for j in range(i + 1, len(text) + 1))
    return max((len(piece) for piece in pieces if any(piece in folded(each) for each in training)), default=0)


TEXT = st.text("ab 老Ａ", max_size=14)


@settings(max_examples=150, deadline=None)
@given(TEXT, st.lists(TEXT, max_size=4))
def test_as_defined(answer: str, training: list[str]) -> None:
    assert Trained(training).longest(answer).length == plainly(answer, training)


def test_a_copy_is_recognised_through_width_case_and_spaces() -> None:
    trained = Trained(
        ["老夫掐指一算，你这手纹像一张赶集的地图，条条小路都通热闹处。", "Pack slowly, and Luck walks with you."]
    )
    assert trained.longest("老夫掐指一算,你这手纹像一张赶集的地图,条条小路都通热闹处。").copied
    assert trained.longest("pack  SLOWLY, and luck walks with you.").copied
    assert not trained.longest("The lanterns dim tonight; pack slowly, and wait for the second moon to rise.").copied
    assert trained.longest("").share == 0
