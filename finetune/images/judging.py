"""One pass over an image set: each file is read once, judged, and written to the canonical form."""

import hashlib
import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from finetune.errors import DatasetError
from finetune.images import captions, sheet
from finetune.images.canonical import CanonicalWriter
from finetune.images.captions import Caption
from finetune.images.findings import Finding, Problem, displayed
from finetune.images.kinds import (
    CAPTION,
    ENDINGS,
    HEAD_BYTES,
    MAX_BYTES,
    MAX_IMAGES,
    ending,
    named_like_picture,
    sniff,
)
from finetune.images.likeness import Fingerprint, first_near
from finetune.images.members import Damaged, Member, TooLong, members
from finetune.images.pairing import Pairs, pair
from finetune.images.pictures import Look, look
from finetune.images.report import Image, Note, Report, size_classes
from finetune.images.sizes import Edge, Fit, fit

MAX_FINDINGS = 1000
FEW_IMAGES = 10
CAPTION_SHOWN = 1000
# Enlarging by less is not seen; cropping less takes nothing that matters.
_ENLARGED = 1.1
_CROPPED = 0.1


@dataclass(slots=True)
class _Set:
    """What the files of a set are for."""

    pictures: list[Member] = field(default_factory=list)
    captions: list[Member] = field(default_factory=list)
    unused: list[Member] = field(default_factory=list)

    @property
    def bytes(self) -> int:
        return sum(member.size for member in (*self.pictures, *self.captions))


@dataclass(slots=True)
class _Judging:
    """What was seen so far, picture by picture."""

    images: list[Image] = field(default_factory=list)
    looks: list[Look | None] = field(default_factory=list)
    digests: dict[str, int] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)

    @property
    def prints(self) -> Sequence[Fingerprint | None]:
        return [one.print if one else None for one in self.looks]


def judge(
    source: Path, canonical: Path, *, names: Mapping[str, str] | None = None, sheets: Path | None = None
) -> Report:
    """Judge a folder or a ``.zip``; its canonical form goes to ``canonical`` (worthless unless the report is ok).

    ``sheets``: a folder for the pages of the contact sheet, see :mod:`finetune.images.sheet`. Raises
    :class:`DatasetError` for what is no image set at all, or larger than 300 MB.
    """
    with members(source, names) as found:
        files = _sorted_out(found)
        if not files.pictures:
            raise DatasetError("images_none")
        if files.bytes > MAX_BYTES:
            raise DatasetError("images_too_large", size=-(-files.bytes // 1_000_000), limit=MAX_BYTES // 1_000_000)
        pairs = pair([member.name for member in files.pictures], [member.name for member in files.captions])
        judging = _Judging(findings=pairs.findings)
        with CanonicalWriter(canonical) as writer:
            for index, member in enumerate(files.pictures[:MAX_IMAGES]):
                caption = _caption(files, pairs, index, judging)
                with tempfile.TemporaryFile(dir=canonical.parent) as copy:
                    kind = _picture(member, copy, caption, judging)
                    if kind in ENDINGS:
                        writer.add(index + 1, kind, copy, caption.text)
    _whole(files, judging)
    images = tuple(judging.images)
    kept = sorted(judging.findings, key=lambda finding: finding.place)
    pages = 0
    if sheets is not None:
        thumbnails = [one.thumbnail if one else None for one in judging.looks]
        pages = sheet.draw(sheets, images, thumbnails, kept)
    return Report(
        images=images,
        images_total=len(files.pictures),
        captions=sum(1 for image in images if image.caption),
        total_bytes=files.bytes,
        size_classes=size_classes(images),
        sheets=pages,
        findings=_kept(kept),
        by_code=dict(Counter(finding.code for finding in kept)),
        notes=_notes(files),
    )


def _sorted_out(found: list[Member]) -> _Set:
    files = _Set()
    for member in found:
        if ending(member.name) == CAPTION:
            files.captions.append(member)
        elif named_like_picture(member.name) or sniff(member.head()):
            files.pictures.append(member)
        else:
            files.unused.append(member)
    return files


def _caption(files: _Set, pairs: Pairs, index: int, judging: _Judging) -> Caption:
    """The caption of a picture, "" for none, with every problem of it already told."""
    name = files.pictures[index].name
    if index not in pairs.captions:
        # Where nothing at all has a caption, that is said once.
        told = index in pairs.disputed or not files.captions
        caption = Caption("", () if told else (Problem("caption_missing"),))
    else:
        try:
            data = files.captions[pairs.captions[index]].read(captions.MAX_BYTES)
            caption = captions.understand(data)
        except TooLong:
            caption = Caption("", (Problem("caption_too_long", {"limit": captions.MAX_BYTES >> 10}),))
        except Damaged:
            caption = Caption("", (Problem("caption_bad_text"),))
    judging.findings.extend(Finding.of(problem, index + 1, name) for problem in caption.problems)
    return caption


def _picture(member: Member, copy: IO[bytes], caption: Caption, judging: _Judging) -> str:
    """Judge one picture by a copy of it. Returns its kind by content, "" for no picture."""
    number = len(judging.images) + 1
    try:
        member.copy(copy, MAX_BYTES)
    except (Damaged, TooLong):
        kind, seen, problems = "", None, [Problem("file_damaged")]
    else:
        kind, seen, problems = _seen(member, copy)
        problems.extend(_likeness(copy, seen, judging))
    size = fit(seen.width, seen.height) if seen and seen.thumbnail else None
    problems.extend(_size(size))
    judging.looks.append(seen)
    judging.findings.extend(Finding.of(problem, number, member.name) for problem in problems)
    judging.images.append(
        Image(
            number=number,
            file=displayed(member.name),
            kind=kind,
            bytes=member.size,
            width=seen.width if seen else 0,
            height=seen.height if seen else 0,
            fit=size,
            caption=caption.text[:CAPTION_SHOWN] or None,
            tokens=caption.tokens,
        )
    )
    return kind


def _seen(member: Member, copy: IO[bytes]) -> tuple[str, Look | None, list[Problem]]:
    copy.seek(0)
    kind = sniff(copy.read(HEAD_BYTES)) or ""
    if not kind:
        return kind, None, [Problem("not_image")]
    if kind not in ENDINGS:
        return kind, None, [Problem("type_unsupported", {"kind": kind.upper()})]
    seen = look(copy, kind)
    problems = [*seen.problems]
    if ending(member.name) not in ENDINGS[kind]:
        problems.append(
            Problem("wrong_ending", {"ending": displayed(ending(member.name)) or "–", "kind": kind.upper()})
        )
    return kind, seen, problems


def _likeness(copy: IO[bytes], seen: Look | None, judging: _Judging) -> list[Problem]:
    copy.seek(0)
    digest = hashlib.file_digest(copy, "sha256").hexdigest()  # type: ignore[arg-type]
    number = len(judging.images) + 1
    first = judging.digests.setdefault(digest, number)
    if first != number:
        return [Problem("image_duplicate", {"other": first})]
    if seen is None or seen.print is None:
        return []
    other = first_near([*judging.prints, seen.print], number - 1)
    return [] if other is None else [Problem("image_near", {"other": other + 1})]


def _size(size: Fit | None) -> list[Problem]:
    if size is None:
        return []
    found = []
    target = f"{size.width}×{size.height}"
    if size.scale > _ENLARGED:
        found.append(Problem("size_small", {"target": target, "times": f"{size.scale:.1f}"}))
    if size.cropped >= _CROPPED:
        code = "cropped_sides" if size.edge is Edge.SIDES else "cropped_ends"
        found.append(Problem(code, {"target": target, "percent": round(size.cropped * 100)}))
    return found


def _whole(files: _Set, judging: _Judging) -> None:
    """What is wrong with the set rather than with a file."""
    count = len(files.pictures)
    told = [Finding.of(Problem("file_unused"), None, member.name) for member in files.unused]
    if count > MAX_IMAGES:
        told.append(Finding.of(Problem("too_many", {"n": count, "limit": MAX_IMAGES})))
    if count < FEW_IMAGES:
        told.append(Finding.of(Problem("few_images", {"n": count, "wanted": FEW_IMAGES})))
    if not files.captions:
        told.append(Finding.of(Problem("captions_none", {"n": count})))
    wide = sum(1 for image in judging.images if image.caption and captions.is_wide(image.caption))
    if wide:
        told.append(Finding.of(Problem("captions_not_english", {"n": wide})))
    judging.findings.extend(told)


def _kept(findings: list[Finding]) -> tuple[Finding, ...]:
    """All, or when there are too many, errors before warnings."""
    first = sorted(findings, key=lambda finding: finding.severity.value)[:MAX_FINDINGS]
    return tuple(sorted(first, key=lambda finding: finding.place))


def _notes(files: _Set) -> tuple[Note, ...]:
    return (Note("tokens_estimated", {}),) if files.captions else ()
