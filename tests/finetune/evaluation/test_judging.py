"""A verdict counts only if it survives the swap."""

from typing import Any

import pytest

from finetune.evaluation.asking import asker
from finetune.evaluation.judging import Judgement, Pair, estimate, judge, judge_all, same_family
from tests.fakes.model import model_stand_in

PAIR = Pair("k", "Should I move?", "Go slowly.", "TUNED SAYS", "OTHER SAYS")


def better_is(words: str) -> Any:
    def reply(body: dict[str, Any]) -> str:
        text = body["messages"][-1]["content"]
        return "A" if text.index(words) < text.index("Answer B:") else "B"

    return reply


@pytest.mark.parametrize(
    ("reply", "winner"),
    [
        (better_is("TUNED SAYS"), "tuned"),
        (better_is("OTHER SAYS"), "other"),
        (lambda _: "A", "unstable"),
        (lambda _: "**EQUAL**", "equal"),
        (lambda _: "Answer A is long. tie", "equal"),
        (lambda _: "I would rather not say", "unstable"),
    ],
)
async def test_both_orders(reply: Any, winner: str) -> None:
    async with model_stand_in() as model, asker(model.endpoint) as ask:
        model.reply = reply
        assert (await judge(PAIR, ask)).winner == winner
        assert len(model.requests) == 2


async def test_what_was_judged_is_not_judged_again() -> None:
    kept: list[Judgement] = []

    async def keep(judgement: Judgement) -> None:
        kept.append(judgement)

    async with model_stand_in() as model, asker(model.endpoint) as ask:
        model.reply = better_is("TUNED SAYS")
        known = {"k": Judgement("k", "other", "B", "A")}
        other = Pair("l", "And now?", "Wait.", "TUNED SAYS", "OTHER SAYS")
        found = await judge_all([PAIR, other], ask, known, keep)
    assert [each.winner for each in found] == ["other", "tuned"]
    assert kept == found[1:]
    assert len(model.requests) == 2


def test_what_is_not_known_of_the_cost_is_not_told() -> None:
    cost = estimate([PAIR] * 10, 2.0, "USD")
    assert cost.calls == 20
    assert cost.money == pytest.approx(cost.tokens * 2e-6, rel=0.01)
    assert estimate([PAIR]).money is None


def test_a_judge_of_the_same_family() -> None:
    assert same_family("Qwen/Qwen2.5-72B-Instruct", "Qwen/Qwen2.5-0.5B-Instruct")
    assert not same_family("deepseek-chat", "Qwen/Qwen2.5-0.5B-Instruct")
