"""What is asked, and how much room an answer has."""

import pytest

from finetune.evaluation.answers import BASE, CONTESTANTS, TUNED
from finetune.evaluation.contest import HELD, Contest
from finetune.evaluation.questions import Question


def contest(references: list[str], most: object = 512) -> Contest:
    held = tuple(
        Question(f"k{number}", ({"role": "user", "content": f"question {number}"},), reference)
        for number, reference in enumerate(references)
    )
    return Contest(held, (), (), (), {"max_tokens": most, "temperature": 0.7}, 1)


@pytest.mark.parametrize(
    ("references", "most", "room"),
    [
        (["short"], 512, 96),
        (["x" * 400, "y"], 512, 150),
        (["茶" * 60], 512, 180),
        (["x" * 4000], 512, 512),
        ([], 64, 64),
        (["x" * 400], None, 150),
    ],
)
def test_an_answer_has_half_more_room_than_the_longest_reference(
    references: list[str], most: object, room: int
) -> None:
    assert contest(references, most).enough == room


def test_all_contestants_have_the_same_room() -> None:
    found = contest(["x" * 400, "y"])
    rooms = {task.sampling["max_tokens"] for who in CONTESTANTS for task in found.tasks(who) if task.part == HELD}
    assert rooms == {150}
    assert [task.sampling for task in found.tasks(BASE)] == [task.sampling for task in found.tasks(TUNED)]
