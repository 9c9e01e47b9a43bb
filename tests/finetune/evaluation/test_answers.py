"""A run that was broken off asks only what is missing."""

from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

import pytest

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.evaluation.answers import Answers, Reply, Task, collect
from finetune.evaluation.asking import asker
from finetune.evaluation.questions import Message, Question, key_of
from tests.fakes.model import model_stand_in


def tasks(number: int) -> list[Task]:
    prompts = [({"role": "user", "content": f"Road {n}?"},) for n in range(number)]
    questions = [Question(key_of(prompt), prompt, "Slowly.") for prompt in prompts]
    return [Task("held_out", "tuned", question, question.prompt, {"temperature": 0.5}) for question in questions]


class Clock:
    def __init__(self) -> None:
        self._ticks = count()

    def __call__(self) -> float:
        return float(next(self._ticks))


async def test_only_what_is_missing_is_asked(tmp_path: Path) -> None:
    file, wanted, asked = tmp_path / "deep" / "answers.jsonl", tasks(6), []

    async def ask(prompt: Sequence[Message], sampling: Mapping[str, object]) -> Reply:
        asked.append(prompt[-1]["content"])
        if len(asked) == 4:
            raise ProviderUnavailable("model_silent", reason="gone")
        return Reply(f"answer to {prompt[-1]['content']}", "stop", 3, 4)

    with pytest.raises(ProviderUnavailable):
        await collect(Answers(file), wanted, ask, clock=Clock(), at_once=1)
    with file.open("ab") as torn:
        # Lines that a full disk or a hand spoilt, and one that was cut off.
        torn.write(b'{}\n[]\nnull\n\xff\n{"part": 1}\n{"part": "held_out", "contestant": "tu')
    seen: list[tuple[int, int]] = []
    answers = Answers(file)
    assert len(answers) == 3
    await collect(answers, wanted, ask, clock=Clock(), moved=lambda done, total: seen.append((done, total)))
    assert asked[4:] == ["Road 3?", "Road 4?", "Road 5?"]
    assert seen[0] == (3, 6)
    assert seen[-1] == (6, 6)
    again = Answers(file)
    assert [kept.text for kept in again.of("held_out", "tuned", [task.question for task in wanted])] == [
        f"answer to Road {n}?" for n in range(6)
    ]


async def test_an_endpoint_is_asked_as_it_is_chatted_with() -> None:
    async with model_stand_in() as model, asker(model.endpoint) as ask:
        reply = await ask(
            [{"role": "user", "content": "Road 1?"}],
            {"temperature": 0.5, "max_tokens": 64, "seed": 3, "nonsense": 1, "extra_body": {"repeat_penalty": 1.1}},
        )
        assert reply == Reply("The tea leaves settle.", "stop", 7, 4)
        body = model.requests[-1]
        assert (body["temperature"], body["max_tokens"], body["seed"], body["repeat_penalty"]) == (0.5, 64, 3, 1.1)
        assert "nonsense" not in body


async def test_a_refusal_is_final_and_a_busy_model_is_asked_again() -> None:
    async with model_stand_in() as model, asker(model.endpoint) as ask:
        model.statuses, model.retry_after = [503], "0"
        assert (await ask([{"role": "user", "content": "?"}], {})).finish == "stop"
        model.status = 400
        with pytest.raises(ProviderError) as refused:
            await ask([{"role": "user", "content": "?"}], {})
        assert not isinstance(refused.value, ProviderUnavailable)
        assert refused.value.code == "model_refused"
