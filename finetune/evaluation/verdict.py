"""What an evaluation found, as plain facts: one frozen value that is stored, shown, drawn, and given away as files."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from finetune.evaluation.gates import FAILED, LEAST, PASSED, UNKNOWN, Gate
from finetune.evaluation.losses import Losses
from finetune.evaluation.statistics import WinRate
from finetune.evaluation.style import Style

# What stands in a verdict has a sentence in each language.
_NAMES: Mapping[str, frozenset[str]] = {
    "gate": frozenset({"learned", "ends", "language", "repetition", "identity", "copied", "fits", "general"}),
    "thin": frozenset({"few_rows", "few_questions", "no_base", "no_losses", "no_judge", "same_family"}),
    "who": frozenset({"base", "prompted", "tuned", "person"}),
    "other": frozenset({"base", "prompted"}),
}
# What a gate's figures, if it has any, cannot be shown without.
_FACTS: Mapping[str, frozenset[str]] = {
    "copied": frozenset({"copied", "total"}),
    "general": frozenset({"base", "tuned", "total"}),
}
# Training rows under which even good figures are shaky.
FEW_ROWS = 50


@dataclass(frozen=True, slots=True)
class Provenance:
    """Where a verdict comes from. ``dated``: ISO date (UTC). ``template``: how prompts at serving compare with those at
    training: ``same``, ``differs`` or ``unknown``.
    """

    model: str
    external_id: str
    base: str
    dataset: str
    data_digest: str
    training_rows: int
    held_out_rows: int
    parameters: Mapping[str, float]
    seed: int
    licence: str
    dated: str
    template: str = UNKNOWN


@dataclass(frozen=True, slots=True)
class Example:
    """One held-out question with the person's answer and those of base and tuned."""

    question: str
    reference: str
    base: str
    tuned: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All facts. ``styles``: by contestant, ``person`` (the reference answers) among them; ``judges``: win rates by
    what the tuned model was compared with (``base``, ``prompted``), of a judge model. ``thin``: translation keys
    (``thin.<key>``) of why the evidence is thin. ``curve``: (step, training loss). ``seconds``: of the whole work.
    """

    provenance: Provenance
    questions: int
    losses: Losses | None
    curve: tuple[tuple[int, float], ...]
    styles: Mapping[str, Style]
    memorised: Mapping[str, float]
    gates: tuple[Gate, ...]
    judges: Mapping[str, WinRate]
    judge_model: str
    example: Example | None
    thin: tuple[str, ...]
    seconds: float

    @property
    def passed(self) -> bool:
        """Whether no gate failed and there was enough to judge."""
        return self.enough and all(gate.state != FAILED for gate in self.gates)

    @property
    def enough(self) -> bool:
        """Whether there were questions enough for the gates to mean anything."""
        return self.questions >= LEAST

    @property
    def failed(self) -> tuple[Gate, ...]:
        """The gates that it did not pass."""
        return tuple(gate for gate in self.gates if gate.state == FAILED)

    def as_json(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Verdict":
        """The value that :meth:`as_json` was made of."""
        values = dict(data)
        values["provenance"] = Provenance(**values["provenance"])
        values["losses"] = Losses(**values["losses"]) if values["losses"] else None
        values["curve"] = tuple((int(step), float(loss)) for step, loss in values["curve"])
        values["styles"] = {name: Style(**style) for name, style in values["styles"].items()}
        values["gates"] = tuple(
            Gate(gate["name"], gate["state"], tuple((str(k), float(v)) for k, v in gate["facts"]))
            for gate in values["gates"]
        )
        values["judges"] = {name: WinRate(**rate) for name, rate in values["judges"].items()}
        values["example"] = Example(**values["example"]) if values["example"] else None
        values["thin"] = tuple(values["thin"])
        return cls(**values)

    @classmethod
    def checked(cls, data: Mapping[str, Any]) -> "Verdict":
        """The same of a stranger's file. Raises ``ValueError`` for whatever nobody could show."""
        # Plain data has lists where ours has tuples; the rest has to be what it says.
        found = TypeAdapter(Verdict).validate_python(data)
        names = {"gate": {gate.name for gate in found.gates}, "thin": set(found.thin), "who": set(found.styles)}
        names["other"] = set(found.judges)
        if any(given - _NAMES[kind] for kind, given in names.items()):
            raise ValueError("unknown names")
        if any(gate.state not in (PASSED, FAILED, UNKNOWN) for gate in found.gates):
            raise ValueError("unknown states")
        if any(gate.facts and _FACTS.get(gate.name, frozenset()) - dict(gate.facts).keys() for gate in found.gates):
            raise ValueError("other facts")
        return found

    def as_csv(self) -> str:
        """The figures, one a line: what, of whom, value."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("measure", "of", "value"))
        writer.writerows(self._figures())
        return text.getvalue()

    def _figures(self) -> Sequence[tuple[str, str, object]]:
        rows: list[tuple[str, str, object]] = [("questions", "", self.questions)]
        if self.losses is not None:
            rows += [(name, "", value) for name, value in asdict(self.losses).items()]
        for who, style in self.styles.items():
            rows += [(name, who, value) for name, value in asdict(style).items()]
        rows += [("longest_copied_piece_share", who, value) for who, value in self.memorised.items()]
        for gate in self.gates:
            rows.append(("gate", gate.name, gate.state))
            rows += [(f"gate_{name}", gate.name, value) for name, value in gate.facts]
        for other, rate in self.judges.items():
            rows += [(f"judge_{name}", other, value) for name, value in asdict(rate).items()]
        rows += [("training_loss", str(step), loss) for step, loss in self.curve]
        rows += [(f"parameter_{name}", "", value) for name, value in self.provenance.parameters.items()]
        return rows
