"""Mending: what has one sensible remedy is put right in a new file; the old one stays as it is."""

from finetune.datasets.mending.changes import Change, Changes
from finetune.datasets.mending.kinds import LEAVE_OUT, Mend, Wish, mendable, mends_of
from finetune.datasets.mending.process import mended

__all__ = ["LEAVE_OUT", "Change", "Changes", "Mend", "Wish", "mendable", "mended", "mends_of"]
