"""Which caption belongs to which picture: that with the same name but for the ending.

A caption in the same folder goes before one elsewhere, so that both ``a/1.jpg`` with ``a/1.txt`` beside ``b/1.jpg``
with ``b/1.txt``, and ``images/1.jpg`` with ``captions/1.txt``, are understood.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from finetune.images.findings import Finding, Problem, displayed


@dataclass(slots=True)
class Pairs:
    """Index of the caption by index of the picture, and what did not come out even.

    ``disputed``: pictures for which a caption exists but not one that is surely theirs.
    """

    captions: dict[int, int] = field(default_factory=dict)
    disputed: set[int] = field(default_factory=set)
    findings: list[Finding] = field(default_factory=list)


def pair(pictures: Sequence[str], captions: Sequence[str]) -> Pairs:
    """Bring pictures and captions together by their names."""
    pairs = Pairs()
    beside: dict[str, list[int]] = defaultdict(list)
    anywhere: dict[str, list[int]] = defaultdict(list)
    for index, name in enumerate(pictures):
        beside[_path(name)].append(index)
        anywhere[_stem(name)].append(index)
    claims: dict[int, list[int]] = defaultdict(list)
    for caption, name in enumerate(captions):
        found = beside.get(_path(name)) or anywhere.get(_stem(name)) or []
        if len(found) == 1:
            claims[found[0]].append(caption)
        elif found:
            pairs.disputed.update(found)
            pairs.findings.append(
                Finding.of(
                    Problem("stem_ambiguous", {"caption": displayed(name), "n": len(found)}),
                    found[0] + 1,
                    pictures[found[0]],
                )
            )
        else:
            pairs.findings.append(Finding.of(Problem("caption_orphan"), None, name))
    for picture, found in claims.items():
        if len(found) == 1:
            pairs.captions[picture] = found[0]
        else:
            pairs.disputed.add(picture)
            names = ", ".join(captions[caption] for caption in found[:3])
            pairs.findings.append(
                Finding.of(Problem("caption_twice", {"names": displayed(names)}), picture + 1, pictures[picture])
            )
    pairs.findings.extend(_twins(pictures, pairs))
    return pairs


def _twins(pictures: Sequence[str], pairs: Pairs) -> list[Finding]:
    """Pictures of the same name that no caption disputes: they are told apart by their numbers."""
    counts = Counter(_stem(name) for name in pictures)
    first: dict[str, int] = {}
    found = []
    for index, name in enumerate(pictures):
        stem = _stem(name)
        if counts[stem] < 2 or index in pairs.disputed:
            continue
        if stem in first:
            found.append(Finding.of(Problem("stem_twice", {"other": first[stem] + 1}), index + 1, name))
        else:
            first[stem] = index
    return found


def _path(name: str) -> str:
    folder, slash, last = name.rpartition("/")
    return f"{folder.casefold()}{slash}{_stem(last)}"


def _stem(name: str) -> str:
    last = name.rsplit("/", 1)[-1]
    stem, point, _ = last.rpartition(".")
    return (stem if point and stem else last).casefold()
