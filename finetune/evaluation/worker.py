"""The process that measures and draws: ``python -m finetune.evaluation.worker``, see :mod:`finetune.workers`.

The only one in which scikit-learn, scipy and matplotlib are loaded. ``request["work"]`` says what is wanted:

- ``verdict``: measure the answers of an evaluation's folder; gives ``{"verdict": …}``
- ``picture``: draw a verdict to ``target``
- ``curve``: draw the loss of a job that runs to ``target``
- ``rate``: the win rate of votes, gives ``{"rate": …}``
"""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from finetune.workers import serve

MODULE = "finetune.evaluation.worker"
# Address space: the libraries' linear algebra reserves far more than it uses.
MEMORY_BYTES = 4 << 30
SECONDS = 180.0
ENVIRONMENT: Mapping[str, str] = {"OPENBLAS_NUM_THREADS": "1", "MPLBACKEND": "Agg"}


def work(request: dict[str, Any]) -> dict[str, Any]:
    """Do one piece of work."""
    return {"verdict": _verdict, "picture": _picture, "curve": _curve, "rate": _rate}[request["work"]](request)


def _verdict(request: dict[str, Any]) -> dict[str, Any]:
    from finetune.evaluation.answers import Answers
    from finetune.evaluation.contest import contest
    from finetune.evaluation.judging import Judgement
    from finetune.evaluation.likelihood import told
    from finetune.evaluation.losses import losses
    from finetune.evaluation.measures import Material, verdict
    from finetune.evaluation.verdict import Provenance

    training, validation = Path(request["training"]), request["validation"]
    questions = contest(
        training,
        Path(validation) if validation else None,
        languages=request["languages"],
        sampling={},
        seed=request["provenance"]["seed"],
        most=request["most"],
    )
    answers = Answers(Path(request["answers"]))
    pair, counted = request["losses"], request["counted"]
    if pair is not None and not all(map(math.isfinite, pair)):
        pair = None
    if pair is None and (found := told(answers, questions.held_out)) is not None:
        pair, counted = found
    material = Material(
        contest=questions,
        answers=answers,
        training=training,
        losses=losses(tuple(pair) if pair else None, tuple(counted) if counted else None),
        # A training that went astray tells numbers that are none; a database would refuse them.
        curve=tuple((int(step), float(loss)) for step, loss in request["curve"] if math.isfinite(loss)),
        judgements={
            other: [Judgement(**judgement) for judgement in found] for other, found in request["judgements"].items()
        },
        judge_model=request["judge_model"],
        provenance=Provenance(**request["provenance"]),
        seconds=request["took"],
    )
    return {"verdict": verdict(material).as_json()}


def _picture(request: dict[str, Any]) -> dict[str, Any]:
    from finetune.evaluation.picture import draw
    from finetune.evaluation.statistics import WinRate
    from finetune.evaluation.verdict import Verdict

    people = {other: WinRate(**rate) for other, rate in request["people"].items()}
    draw(Verdict.from_json(request["verdict"]), request["words"], Path(request["target"]), people=people)
    return {}


def _curve(request: dict[str, Any]) -> dict[str, Any]:
    from finetune.evaluation.picture import draw_curve

    points = tuple((int(step), float(loss)) for step, loss in request["curve"])
    pair = request["losses"]
    draw_curve(points, request["words"], Path(request["target"]), losses=tuple(pair) if pair else None)
    return {}


def _rate(request: dict[str, Any]) -> dict[str, Any]:
    from finetune.evaluation.statistics import win_rate

    return {"rate": asdict(win_rate(request["winners"], request["voters"]))}


if __name__ == "__main__":
    serve(work)
