"""What a judged file lets one say before it is trained on: codes and numbers, no sentences."""

from collections.abc import Mapping
from dataclasses import dataclass

from finetune.datasets import Measures, Report
from finetune.parameters import optimiser_steps, resolve

ENOUGH_STEPS = 20
_FEW_ROWS = "W9"


@dataclass(frozen=True, slots=True)
class Advice:
    """One piece of advice. The sentence is ``advice.<code>`` with ``fields``."""

    code: str
    fields: Mapping[str, int]


def advise(
    report: Report,
    measures: Measures | None = None,
    *,
    max_tokens: int | None = None,
    recommended: Mapping[str, float] | None = None,
) -> tuple[Advice, ...]:
    """Everything that can be said of a file.

    Steps are counted over all good rows, none held out, with the presets' own values; ``recommended`` is what a base
    puts in their place. ``max_tokens`` is the length at which somebody means to cut.
    """
    return (*_of_rows(report), *_of_steps(report.good_rows, recommended or {}), *_of_length(measures, max_tokens))


def _of_rows(report: Report) -> tuple[Advice, ...]:
    # The findings are cut off at some number, the counts by rule never are.
    return (Advice("few_rows", {"rows": report.good_rows}),) if _FEW_ROWS in report.by_rule else ()


def _of_steps(rows: int, recommended: Mapping[str, float]) -> tuple[Advice, ...]:
    if not rows:
        return ()
    standard, quality = (resolve(preset, recommended, {}).values for preset in ("standard", "quality"))
    steps, of_quality = optimiser_steps(rows, standard), optimiser_steps(rows, quality)
    found = []
    if steps < ENOUGH_STEPS:
        found.append(
            Advice(
                "few_steps",
                {
                    "steps": steps,
                    "enough": ENOUGH_STEPS,
                    "rows": rows,
                    "batch": standard.batch_size,
                    "epochs": standard.epochs,
                },
            )
        )
    if of_quality < steps:
        found.append(
            Advice(
                "quality_trains_less",
                {
                    "rows": rows,
                    "quality": of_quality,
                    "quality_batch": quality.batch_size,
                    "standard": steps,
                    "standard_batch": standard.batch_size,
                },
            )
        )
    return tuple(found)


def _of_length(measures: Measures | None, max_tokens: int | None) -> tuple[Advice, ...]:
    longest = measures.longest_tokens if measures is not None else None
    if max_tokens is None or longest is None or longest <= max_tokens:
        return ()
    return (Advice("over_max_tokens", {"longest": longest, "over": longest - max_tokens, "limit": max_tokens}),)
