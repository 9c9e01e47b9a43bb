"""Held-out loss from outside: measured where the endpoint tells log-probabilities of the prompt, else not told."""

import math
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.evaluation.answers import BASE, TUNED, Answers, Kept
from finetune.evaluation.likelihood import (
    CONTENT,
    PROMPT,
    Likelihood,
    echo_of,
    of_answer,
    tokens_of,
    told,
    weigh_all,
    weigher,
)
from finetune.evaluation.losses import losses
from finetune.evaluation.questions import Question, question_of
from finetune.providers.profiles import profile
from finetune.providers.profiles.profile import names
from finetune.providers.provider import Endpoint
from tests.fakes.providers.fireworks import FireworksStandIn
from tests.fakes.providers.standin import KEY, StandIn, Trouble, served
from tests.fakes.providers.together import TogetherStandIn


def question(asked: str, answer: str) -> Question:
    found = question_of([{"role": "user", "content": asked}, {"role": "assistant", "content": answer}])
    assert found is not None
    return found


# Four words and a stop's word; nine characters of Chinese, marks among them. Bytes: 24 and 27.
QUESTIONS = [question("Which road?", "Take the river road now."), question("走哪条路？", "慢慢走，路会等。你")]


async def weighed(stand_in: StandIn, answering: set[str], path: str, shape: str, file: Path) -> Answers:
    answers = Answers(file)

    async def keep(kept: Kept) -> None:
        answers.add(kept)

    for who, model in ((TUNED, "team/tuned"), (BASE, "team/base")):
        answering.add(model)
        async with weigher(Endpoint(f"{stand_in.base_url}{path}", KEY, model, 2048), shape) as weigh:
            await weigh_all(answers, QUESTIONS, who, weigh, keep)
    return answers


@pytest.mark.parametrize(
    ("make", "path", "shape"),
    [(TogetherStandIn, "/v1", PROMPT), (FireworksStandIn, "/v1/inference", CONTENT)],
    ids=["together", "fireworks"],
)
async def test_base_and_tuned_are_weighed_once(
    make: Callable[[], TogetherStandIn | FireworksStandIn], path: str, shape: str, tmp_path: Path
) -> None:
    async with served(make()) as vendor:
        answers = await weighed(vendor, vendor.answering, path, shape, tmp_path / "answers.jsonl")
        found = told(answers, QUESTIONS)
        # 5 words and 9 characters: 14 tokens that write 51 bytes, 2 nats each of the base and 1 of the tuned one.
        assert found == ((2.0, 1.0), (14, 51))
        measured = losses(*found)
        assert measured is not None
        assert measured.base_bits == pytest.approx(14 * 2 / math.log(2) / 51)
        assert measured.tuned_bits == pytest.approx(14 / math.log(2) / 51)
        # What is in the file is not asked again.
        asked = len(vendor.exchanges)
        assert asked == 4
        again = await weighed(vendor, vendor.answering, path, shape, tmp_path / "answers.jsonl")
        assert len(vendor.exchanges) == asked
        assert told(again, QUESTIONS) == found


async def test_whoever_does_not_tell_is_not_believed(tmp_path: Path) -> None:
    async with served(TogetherStandIn()) as vendor:
        endpoint = Endpoint(f"{vendor.base_url}/v1", KEY, "team/tuned", 2048)
        async with weigher(endpoint, PROMPT) as weigh:
            with pytest.raises(ProviderError):
                await weigh(QUESTIONS[0])
            vendor.answering.add("team/tuned")
            vendor.troubles = [Trouble.ODD]
            assert await weigh(QUESTIONS[0]) is None
            vendor.troubles = [Trouble.DROPPED] * 9
            with pytest.raises(ProviderUnavailable):
                await weigh(QUESTIONS[0])
        # Of one alone there is nothing to compare.
        vendor.troubles = []
        answers = Answers(tmp_path / "one.jsonl")
        answers.add(Kept("likelihood", TUNED, QUESTIONS[0].key, "3.0 5 24", "stop", 0.0))
        answers.add(Kept("likelihood", BASE, QUESTIONS[0].key, "untold", "stop", 0.0))
        assert told(answers, QUESTIONS) is None
        # Nor where the two count differently.
        answers.add(Kept("likelihood", BASE, QUESTIONS[0].key, "3.0 6 24", "stop", 0.0))
        assert told(answers, QUESTIONS) is None


def test_an_answer_counts_only_in_whole_tokens() -> None:
    whole = [(b"user\n", 0.0), (b"Take", -1.0), (b" it", -2.0), (b"<end>", -9.0)]
    assert of_answer(whole, "Take it") == Likelihood(3.0, 2, 7)
    assert of_answer(whole, " Take it\n") == Likelihood(3.0, 2, 7)
    for tokens in (
        [(b"user\nTake", -1.0), (b" it", -2.0)],  # one begins before it
        [(b"Take", -1.0), (b" it<end>", -2.0)],  # one ends after it
        [(b"\xef\xbf\xbd", -1.0)],  # half a character, shown as no character
        [(b"Take", -1.0), (b" it", float("-inf"))],
        [],
    ):
        assert of_answer(tokens, "Take it") is None
    # The last place counts: the same words may stand in the question.
    assert of_answer([(b"no", -5.0), (b"|", -1.0), (b"no", -2.0), (b"|", -1.0)], "no") == Likelihood(2.0, 1, 2)
    assert of_answer(whole, "  ") is None


@pytest.mark.parametrize("shape", [PROMPT, CONTENT])
@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        None,
        {"prompt": [], "choices": []},
        {"prompt": None, "choices": [{"logprobs": None}]},
        {"prompt": [{"logprobs": {"tokens": ["a"], "token_logprobs": []}}], "choices": [{}]},
        {"prompt": [{"logprobs": {"tokens": ["a"], "token_logprobs": ["x"]}}]},
        {"choices": [{"logprobs": {"content": [{}]}}]},
        {"prompt": [7], "choices": [{"logprobs": {"content": [{"bytes": [999], "token": "a", "logprob": 1}]}}]},
    ],
)  # fmt: skip
def test_another_shape_tells_nothing(answer: object, shape: str) -> None:
    assert tokens_of(answer, shape) == []


def test_only_providers_that_document_it_are_asked() -> None:
    class Provider:
        def __init__(self, name: str) -> None:
            self.profile = profile(name)

    found = {name: echo_of(Provider(name)) for name in names()}
    assert {name: shape for name, shape in found.items() if shape} == {"together": PROMPT, "fireworks": CONTENT}
    assert echo_of(object()) is None
