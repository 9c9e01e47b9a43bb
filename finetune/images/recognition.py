"""Whether a file is an image dataset, without judging it."""

from collections import Counter
from pathlib import Path

from finetune.datasets.archives import is_workbook
from finetune.errors import DatasetError
from finetune.images.kinds import ending, named_like_picture
from finetune.images.members import members

# Endings of text datasets; one of them among many pictures is their list, not the dataset.
_TEXT = (".jsonl", ".json", ".csv", ".tsv", ".xlsx", ".parquet", ".gz")


def looks_like_images(path: Path) -> bool:
    """Whether a folder or a ``.zip`` is meant as an image dataset: by its names, most of which are pictures'.

    Never raises: what cannot be read is none. A single picture is none either, see ``is_picture``.
    """
    try:
        if path.is_file():
            with path.open("rb") as file:
                if is_workbook(file):
                    return False
        with members(path) as found:
            kinds = Counter(
                "picture" if named_like_picture(member.name) else "text" if ending(member.name) in _TEXT else ""
                for member in found
            )
    except DatasetError as error:
        return error.code == "images_too_many_files"
    except OSError:
        return False
    return kinds["picture"] > kinds["text"]
