"""The findings of a file: all are counted, the most useful ones are kept."""

from collections import Counter

from finetune.datasets.findings import KINDS, Finding, Problem, Severity

MAX_FINDINGS = 1000
# A key that every row has would otherwise leave no room for anything else.
MAX_WARNINGS_OF_A_KIND = 100


class Ledger:
    """Takes problems in any order, gives findings in that of the file."""

    def __init__(self) -> None:
        self._errors: list[Finding] = []
        self._warnings: list[Finding] = []
        self._kinds: Counter[str] = Counter()

    def add(self, problem: Problem, line: int, row: int | None = None) -> None:
        """Count a problem and keep it while there is room."""
        self._kinds[problem.code] += 1
        if KINDS[problem.code].severity is Severity.ERROR:
            if len(self._errors) < MAX_FINDINGS:
                self._errors.append(Finding.at(problem, line, row))
        elif self._kinds[problem.code] <= MAX_WARNINGS_OF_A_KIND:
            self._warnings.append(Finding.at(problem, line, row))

    @property
    def errors(self) -> bool:
        """Whether any problem was an error."""
        return bool(self._errors)

    @property
    def total(self) -> int:
        """All problems, kept or not."""
        return self._kinds.total()

    @property
    def by_code(self) -> dict[str, int]:
        """All problems by their kind, in the order of the rules."""
        return {code: self._kinds[code] for code in KINDS if self._kinds[code]}

    @property
    def by_rule(self) -> dict[str, int]:
        """All problems by rule, R1 first."""
        counts: Counter[str] = Counter()
        for code, kind in KINDS.items():
            counts[kind.rule] += self._kinds[code]
        return {rule: count for rule, count in counts.items() if count}

    def findings(self) -> tuple[Finding, ...]:
        """In the order of the file; when there are too many, errors before warnings."""
        warnings = sorted(self._warnings, key=lambda finding: finding.place)
        kept = self._errors + warnings[: MAX_FINDINGS - len(self._errors)]
        return tuple(sorted(kept, key=lambda finding: finding.place))
