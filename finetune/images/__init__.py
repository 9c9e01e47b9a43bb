"""Image datasets for tuning a model that draws (FLUX): read, pair with captions, judge, bring into canonical form.

Light to import: pictures are decoded in a process of its own only.
"""

from finetune.datasets.findings import Severity
from finetune.images.examination import examine
from finetune.images.findings import Finding
from finetune.images.kinds import MAX_BYTES, MAX_IMAGES, caption_name, trainable_name
from finetune.images.members import is_picture
from finetune.images.parameters import REPEATS, TRIGGER_FLAGS, Parameters, with_parameters
from finetune.images.recognition import looks_like_images
from finetune.images.report import FORMAT, Image, Note, Report
from finetune.images.sizes import Fit

__all__ = [
    "FORMAT",
    "MAX_BYTES",
    "MAX_IMAGES",
    "REPEATS",
    "TRIGGER_FLAGS",
    "Finding",
    "Fit",
    "Image",
    "Note",
    "Parameters",
    "Report",
    "Severity",
    "caption_name",
    "examine",
    "is_picture",
    "looks_like_images",
    "trainable_name",
    "with_parameters",
]
