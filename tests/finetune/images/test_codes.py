"""For every kind of finding a set that has it, and a sentence in both languages that uses all of its fields."""

import random
import string

import pytest
from PIL import Image

from bot.locales import LANGUAGES, catalogue, translator
from finetune.images import Parameters, Report, Severity, with_parameters
from finetune.images.findings import KINDS
from tests.finetune.images.conftest import Judge
from tests.finetune.images.samples import CAPTION, drawn, encoded, good, located, picture, png

_CAPTION = CAPTION.encode()
_GIF = encoded(Image.new("P", (64, 64)), "GIF")
_FRAMES = [drawn(64, 64, seed) for seed in range(3)]
_NOISE = random.Random(1).randbytes(200 * 200 * 2)  # noqa: S311 -- nothing to guess
_TRANSPARENT = drawn(1024, 1024, 77).convert("RGBA")
_TRANSPARENT.putalpha(Image.linear_gradient("L").resize((1024, 1024)))


def with_one(data: bytes, name: str = "x.jpg", caption: bytes | None = _CAPTION) -> dict[str, bytes]:
    """A good set with one more picture."""
    files = {**good(), name: data}
    if caption is not None:
        files["x.txt"] = caption
    return files


SETS: dict[str, dict[str, bytes]] = {
    "too_many": {f"{n}.png": encoded(Image.new("RGB", (8, 8), (n, n, n)), "PNG") for n in range(101)},
    "few_images": good(3),
    "captions_none": {name: data for name, data in good().items() if name.endswith(".jpg")},
    "captions_not_english": with_one(picture(seed=50), caption="一只龙猫在森林里".encode()),
    "not_image": with_one(b"nothing of the kind"),
    "type_unsupported": with_one(_GIF, "x.gif"),
    "image_truncated": with_one(picture(seed=51)[:-3000]),
    "image_broken": with_one(b"\x89PNG\r\n\x1a\n" + b"\x07" * 400, "x.png"),
    "image_too_big": with_one(png(30_000, 30_000, 8, 2, b"\0" * 100), "x.png"),
    "image_animated": with_one(
        encoded(_FRAMES[0], "WEBP", save_all=True, append_images=_FRAMES[1:], lossless=True), "x.webp"
    ),
    "wrong_ending": with_one(picture(seed=52, kind="PNG")),
    "color_cmyk": with_one(encoded(drawn(seed=53).convert("CMYK"), "JPEG")),
    "color_alpha": with_one(encoded(_TRANSPARENT, "PNG"), "x.png"),
    "color_16bit": with_one(encoded(Image.frombytes("I;16", (200, 200), _NOISE), "PNG"), "x.png"),
    "size_small": with_one(picture(512, 512, 54)),
    "cropped_sides": with_one(picture(3000, 1000, 55)),
    "cropped_ends": with_one(picture(1000, 3000, 56)),
    "location": with_one(located(57)),
    "image_duplicate": with_one(picture(seed=0)),
    "image_near": with_one(encoded(drawn(seed=0).resize((1024, 1024)).convert("RGB"), "JPEG", quality=40)),
    "stem_twice": {**good(), "more/0.jpg": picture(seed=58), "more/0.txt": _CAPTION},
    "stem_ambiguous": with_one(picture(seed=59)) | {"x.png": picture(seed=60, kind="PNG")},
    "caption_twice": with_one(picture(seed=61)) | {"captions/x.txt": _CAPTION, "texts/x.txt": _CAPTION},
    "caption_too_long": with_one(picture(seed=62), caption=b"word " * 30_000),
    "caption_bad_text": with_one(picture(seed=63), caption=b"\xff\xd8\x00\x01caf\xe9"),
    "caption_missing": with_one(picture(seed=64), caption=None),
    "caption_empty": with_one(picture(seed=65), caption=b" \r\n"),
    "caption_converted": with_one(picture(seed=66), caption="一只龙猫在森林里散步".encode("gb18030")),
    "caption_tokens": with_one(picture(seed=67), caption=b"a cat " * 400),
    "caption_orphan": {**good(), "readme.txt": b"thanks"},
    "trigger_present": with_one(picture(seed=68), caption=b"ttr, in the rain"),
    "file_unused": {**good(), "notes.md": b"# notes"},
}
del SETS["caption_twice"]["x.txt"]


# A broken archive and a small memory: see test_judging.py and test_examine.py.
ELSEWHERE = {"file_damaged", "image_heavy"}


def test_there_is_a_set_for_every_code() -> None:
    assert SETS.keys() | ELSEWHERE == KINDS.keys()


@pytest.mark.parametrize("code", SETS)
def test_the_code_comes_up_and_can_be_said(judged: Judge, code: str) -> None:
    report = with_parameters(judged(SETS[code]), Parameters("TTR"))
    check(report, code)
    # Nothing else is wrong with the set, except what cannot be helped.
    expected = {
        "too_many": {"size_small", "captions_none", "image_near"},
        "captions_none": set(),
        "caption_converted": {"captions_not_english"},
        "image_animated": set(),
        "type_unsupported": set(),
        "color_16bit": {"size_small"},
    }
    assert set(report.by_code) - {code} <= expected.get(code, set())


def check(report: Report, code: str) -> None:
    found = [finding for finding in report.findings if finding.code == code]
    assert len(found) == report.by_code[code]
    assert found[0].severity is KINDS[code]
    assert report.ok == (KINDS[code] is Severity.WARNING)
    for finding in found:
        for value in finding.fields.values():
            assert len(str(value)) <= 80
            assert str(value).isprintable()
    for language in LANGUAGES:
        sentence = translator(language)(f"image.{code}", **found[0].fields)
        assert "!" not in sentence
        assert "！" not in sentence
        message = catalogue(language).get(f"image.{code}")
        assert message is not None
        assert isinstance(message.string, str)
        wanted = {name for _, name, _, _ in string.Formatter().parse(message.string) if name}
        assert wanted == set(found[0].fields), "a field that is not used, or one that is missing"
