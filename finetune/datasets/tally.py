"""What a pass over a file gathers."""

from dataclasses import dataclass, field

from finetune.datasets.copying import Canonical
from finetune.datasets.fingerprints import Fingerprints
from finetune.datasets.ledger import Ledger
from finetune.datasets.statistics import Statistics

# A place in the file as one number, for the fingerprints: the line, then the row of an array, then whether the
# canonical form is spelled otherwise than the line.
ROW_BITS = 31
LINE_AT, ROW_AT, RESPELLED = ROW_BITS + 1, 1, 1


@dataclass(slots=True)
class Tally:
    """Findings, figures and the canonical file, all in the order of the rows."""

    canonical: Canonical
    ledger: Ledger = field(default_factory=Ledger)
    statistics: Statistics = field(default_factory=Statistics)
    fingerprints: Fingerprints = field(default_factory=Fingerprints)
    rows: int = 0  # good or not
