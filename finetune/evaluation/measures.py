"""From the answers to the verdict. Loads scikit-learn and scipy: for the worker only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from finetune.evaluation import gates
from finetune.evaluation.answers import BASE, CONTESTANTS, TUNED, Answers, Kept
from finetune.evaluation.contest import HELD, KNOWLEDGE, STYLE, Contest
from finetune.evaluation.judging import Judgement, same_family
from finetune.evaluation.losses import Losses
from finetune.evaluation.memorising import Trained
from finetune.evaluation.questions import Question, answers_in
from finetune.evaluation.relevance import relevance
from finetune.evaluation.statistics import ENOUGH, WinRate, win_rate
from finetune.evaluation.style import Style, Stylist
from finetune.evaluation.verdict import FEW_ROWS, Example, Provenance, Verdict

PERSON = "person"


@dataclass(frozen=True, slots=True)
class Material:
    """All that a verdict is made of. ``judgements``: by what the tuned model was compared with."""

    contest: Contest
    answers: Answers
    training: Path
    losses: Losses | None
    curve: tuple[tuple[int, float], ...]
    judgements: Mapping[str, Sequence[Judgement]]
    judge_model: str
    provenance: Provenance
    seconds: float


def verdict(material: Material) -> Verdict:
    """Measure everything. Who has not answered all questions that the tuned model answered is left out."""
    contest, answers = material.contest, material.answers
    questions = [question for question in contest.held_out if answers.get(HELD, TUNED, question)]
    kept = {who: answers.of(HELD, who, questions) for who in CONTESTANTS}
    kept = {who: found for who, found in kept.items() if questions and len(found) == len(questions)}
    trained_on = answers_in(material.training)
    trained = Trained(trained_on)
    calibration = [each.text for each in answers.of(STYLE, BASE, contest.calibration)]
    stylist = Stylist(trained_on, calibration, contest.seed)
    styles = _styles(stylist, questions, kept)
    found = _gates(material, questions, kept, trained_on, trained, styles)
    judges: dict[str, WinRate] = {
        other: win_rate([judgement.winner for judgement in judgements], 1)
        for other, judgements in material.judgements.items()
        if judgements
    }
    return Verdict(
        provenance=material.provenance,
        questions=len(questions),
        losses=material.losses,
        curve=material.curve,
        styles=styles,
        memorised={
            who: float(median(trained.longest(each.text).share for each in found)) for who, found in kept.items()
        },
        gates=found,
        judges=judges,
        judge_model=material.judge_model,
        example=_example(questions, kept),
        thin=_thin(material, questions, judges),
        seconds=material.seconds,
    )


def _styles(stylist: Stylist, questions: Sequence[Question], kept: Mapping[str, Sequence[Kept]]) -> dict[str, Style]:
    if not questions:
        return {}
    references = [question.reference for question in questions]
    found = {PERSON: stylist.style(references, references)}
    for who, answers in kept.items():
        found[who] = stylist.style([each.text for each in answers], references)
    return found


def _gates(
    material: Material,
    questions: Sequence[Question],
    kept: Mapping[str, Sequence[Kept]],
    trained_on: Sequence[str],
    trained: Trained,
    styles: Mapping[str, Style],
) -> tuple[gates.Gate, ...]:
    contest, answers = material.contest, material.answers
    tuned = kept.get(TUNED, ())
    pair = (material.losses.base, material.losses.tuned) if material.losses else None
    found = [
        gates.learned(pair, styles.get(BASE), styles.get(TUNED), styles.get(PERSON)),
        gates.ends_properly(tuned),
        gates.right_language(tuned, questions),
        gates.no_repetition(tuned),
        gates.no_leak(tuned, questions, trained_on),
        gates.nothing_copied(tuned, questions, trained),
    ]
    asked = [question.asked for question in questions]
    references = [question.reference for question in questions]
    found.append(
        gates.fits(
            relevance(asked, references, [each.text for each in tuned], contest.seed),
            # Their own answers stand among what is compared with: only the questions are, for persons.
            relevance(asked, [""] * len(asked), references, contest.seed),
        )
    )
    general = [each.question for each in contest.general]
    of_base, of_tuned = answers.of(KNOWLEDGE, BASE, general), answers.of(KNOWLEDGE, TUNED, general)
    if len(of_base) == len(of_tuned) == len(general):
        found.append(gates.still_knows(contest.general, of_base, of_tuned))
    else:
        found.append(gates.Gate("general", gates.UNKNOWN, ()))
    return tuple(found)


def _example(questions: Sequence[Question], kept: Mapping[str, Sequence[Kept]]) -> Example | None:
    """The question of middle length: chosen before anybody answered, so not the best answered one."""
    if not questions or BASE not in kept or TUNED not in kept:
        return None
    by_length = sorted(range(len(questions)), key=lambda index: (len(questions[index].asked), index))
    place = by_length[len(by_length) // 2]
    question = questions[place]
    return Example(question.asked, question.reference, kept[BASE][place].text, kept[TUNED][place].text)


def answers_all(material: Material, questions: Sequence[Question]) -> bool:
    """Whether the base answered all of them: some providers do not serve it."""
    return all(material.answers.get(HELD, BASE, question) for question in questions)


def _thin(material: Material, questions: Sequence[Question], judges: Mapping[str, WinRate]) -> tuple[str, ...]:
    found = []
    if material.provenance.training_rows < FEW_ROWS:
        found.append("few_rows")
    if len(questions) < ENOUGH:
        found.append("few_questions")
    if questions and not answers_all(material, questions):
        found.append("no_base")
    if material.losses is None:
        found.append("no_losses")
    if not judges:
        found.append("no_judge")
    elif same_family(material.judge_model, material.provenance.base):
        found.append("same_family")
    return tuple(found)
