"""Bad models fail, each for its own reason; a good one passes."""

import json
from dataclasses import replace

import pytest

from finetune.evaluation import gates
from finetune.evaluation.answers import Kept
from finetune.evaluation.losses import Losses, bits_per_byte, losses
from finetune.evaluation.measures import verdict
from finetune.evaluation.questions import Question
from finetune.evaluation.verdict import Verdict
from tests.finetune.evaluation.contestants import Ground


def failed(found: Verdict) -> set[str]:
    return {gate.name for gate in found.failed}


def states(found: Verdict) -> dict[str, str]:
    return {gate.name: gate.state for gate in found.gates}


def test_a_good_model_passes(ground: Ground) -> None:
    found = verdict(ground.material(ground.good, losses=Losses(3.7, 2.3, None, None)))
    assert found.passed, found.failed
    assert set(states(found).values()) == {"passed"}
    assert found.questions == 20
    assert found.styles["tuned"].likeness == pytest.approx(found.styles["person"].likeness, abs=0.05)


def test_a_really_trained_model_is_judged_as_it_is(ground: Ground) -> None:
    """135M parameters learn the voice and forget what they knew: both are told."""
    found = verdict(ground.material(ground.real_tuned, losses=Losses(3.70, 2.32, None, None), forgets=True))
    assert failed(found) == {"general"}
    tuned, base = found.styles["tuned"], found.styles["base"]
    assert (tuned.likeness or 0) > 0.7 > 0.4 > (base.likeness or 1)
    assert tuned.length_ratio < 1.5 < base.length_ratio


def test_an_untrained_model_fails(ground: Ground) -> None:
    by_style = verdict(ground.material(ground.untrained, finish="length"))
    assert failed(by_style) >= {"learned", "ends"}
    by_loss = verdict(ground.material(ground.untrained, losses=Losses(3.7, 3.7, None, None)))
    assert "learned" in failed(by_loss)


def test_shuffled_answers_fail(ground: Ground) -> None:
    found = verdict(ground.material(ground.shuffled, losses=Losses(3.7, 2.3, None, None)))
    assert failed(found) == {"fits"}


def test_a_parrot_fails(ground: Ground) -> None:
    found = verdict(ground.material(ground.parrot, losses=Losses(3.7, 1.0, None, None)))
    assert failed(found) >= {"copied"}
    assert found.memorised["tuned"] == 1.0


def kept(text: str, finish: str = "stop") -> Kept:
    return Kept("held_out", "tuned", "k", text, finish, 0.1)


def question(system: str = "", reference: str = "Go slowly.") -> Question:
    told = [{"role": "system", "content": system}] if system else []
    return Question("k", (*told, {"role": "user", "content": "Should I?"}), reference)


@pytest.mark.parametrize(
    "leak",
    [
        "As an AI language model, I cannot tell.",
        "I'm SmolLM, made by Hugging Face.",
        "作为一个人工智能，我不会算命。",
        "我是通义千问，由阿里云开发。",
        "You tell fortunes kindly and never mention that you are a machine.",
    ],
)
def test_identity_leaks(leak: str) -> None:
    system = "You tell fortunes kindly and never mention that you are a machine."
    harmless = ["The leaves settle.", "老夫掐指一算，是吉兆。", "I am glad you ask.", "我是你的老朋友。"]
    answers = [kept(text) for text in [*harmless, leak]]
    asked = [question(system)] * 5
    assert gates.no_leak(answers, asked, ["The leaves fall."]).state == gates.FAILED
    assert gates.no_leak([kept(text) for text in [*harmless, "Wait."]], asked, []).state == gates.PASSED


def test_what_the_training_says_itself_is_no_leak() -> None:
    answers = [kept("As an AI language model, I see the leaves settle.")] * 5
    assert gates.no_leak(answers, [question()] * 5, ["As an AI language model, I greet you."]).state == gates.PASSED


def test_endless_repetition_and_the_wrong_language() -> None:
    good = [kept("The leaves settle on the second cup.")] * 9
    assert gates.no_repetition([*good, kept("好的，" * 300)]).state == gates.FAILED
    asked = [question()] * 10
    assert gates.right_language([*good, kept("茶叶沉底，慢慢来。")], asked).state == gates.PASSED
    assert gates.right_language([*good[:8], *[kept("茶叶沉底，慢慢来。")] * 2], asked).state == gates.FAILED


def test_too_few_answers_judge_nothing() -> None:
    assert gates.ends_properly([kept("Yes.")] * 4).state == gates.UNKNOWN
    assert gates.fits(None, None).state == gates.UNKNOWN
    assert gates.learned(None, None, None, None).state == gates.UNKNOWN


def test_nothing_was_held_out(ground: Ground) -> None:
    material = ground.material(ground.good)
    found = verdict(replace(material, contest=replace(material.contest, held_out=())))
    assert found.questions == 0
    assert not found.passed
    assert "few_questions" in found.thin


def test_a_verdict_survives_json_and_has_its_figures_as_csv(ground: Ground) -> None:
    found = verdict(ground.material(ground.good, losses=Losses(3.7, 2.3, 1.2, 0.8)))
    assert Verdict.from_json(json.loads(json.dumps(found.as_json()))) == found
    lines = found.as_csv().splitlines()
    assert lines[0] == "measure,of,value"
    assert "tuned,,2.3" in lines
    assert "gate,fits,passed" in lines


def test_bits_per_byte_compare_tokenizers() -> None:
    # The same text, the same probability: 100 tokens of 2 nats, or 200 of 1.
    assert bits_per_byte(2.0, 100, 400) == pytest.approx(bits_per_byte(1.0, 200, 400))
    assert losses((2.0, 1.0), None) == Losses(2.0, 1.0, None, None)
    assert losses(None, (1, 1)) is None
