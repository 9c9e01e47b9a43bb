"""Whether a file is an image dataset, without judging it."""

from collections import Counter
from pathlib import Path

from finetune.errors import DatasetError
from finetune.images.kinds import ending, named_like_picture
from finetune.images.members import members

_WORKBOOK = "[Content_Types].xml"
# Endings of text datasets; one of them among many pictures is their list, not the dataset.
_TEXT = (".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".parquet", ".gz")


def looks_like_images(path: Path) -> bool:
    """Whether a folder or a ``.zip`` is meant as an image dataset: by its names, most of which are pictures'.

    Never raises: what cannot be read is none. A single picture is none either, see ``is_picture``.
    """
    if not path.is_dir() and not path.is_file():
        return False
    try:
        with members(path) as found:
            if any(member.name == _WORKBOOK for member in found):
                return False
            kinds = Counter(
                "picture" if named_like_picture(member.name) else "text" if ending(member.name) in _TEXT else ""
                for member in found
            )
    except (DatasetError, OSError):
        return False
    return kinds["picture"] > kinds["text"]
