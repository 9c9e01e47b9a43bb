"""What is found out about pictures and their captions, and what is made of them."""

import hashlib
import io
import json
import random
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from finetune.errors import DatasetError
from finetune.images import Report
from finetune.images import judging as module
from finetune.images.judging import judge
from tests.finetune.images.conftest import Judge
from tests.finetune.images.samples import (
    CAPTION,
    drawn,
    encoded,
    good,
    packed,
    picture,
    png,
    spread,
    turned,
)
from tests.finetune.images.test_codes import check


def codes(report: Report, number: int) -> set[str]:
    return {finding.code for finding in report.findings if finding.number == number}


def test_a_good_set(judged: Judge, canonical: Path) -> None:
    files = good(12)
    report = judged(files)
    assert report.ok
    assert report.findings == ()
    assert (report.images_total, report.captions) == (12, 12)
    assert report.total_bytes == sum(map(len, files.values()))
    assert report.size_classes == {"none": 12, "scaled": 0, "cropped": 0, "enlarged": 0}
    assert [image.file for image in report.images] == [f"{number}.jpg" for number in range(12)]
    assert report.images[3].caption == CAPTION
    with zipfile.ZipFile(canonical) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == [f"{number:03}{end}" for number in range(1, 13) for end in (".jpg", ".txt")]
        assert {(info.date_time, info.compress_type) for info in archive.infolist()} == {((1980, 1, 1, 0, 0, 0), 0)}
        assert archive.read("011.jpg") == files["10.jpg"]
        assert archive.read("011.txt") == CAPTION.encode()


def test_the_same_set_gives_the_same_bytes_wherever_it_comes_from(tmp_path: Path) -> None:
    files = good(3)
    backwards = dict(reversed(files.items()))
    sources = [
        packed(tmp_path / "a.zip", files),
        packed(tmp_path / "b.zip", backwards, zipfile.ZIP_STORED),
        spread(tmp_path / "folder", backwards),
    ]
    digests = set()
    for source in sources:
        judge(source, tmp_path / "canonical.zip")
        digests.add(hashlib.sha256((tmp_path / "canonical.zip").read_bytes()).hexdigest())
    assert len(digests) == 1
    files["1.txt"] = b"another caption"
    judge(packed(tmp_path / "a.zip", files), tmp_path / "canonical.zip")
    assert hashlib.sha256((tmp_path / "canonical.zip").read_bytes()).hexdigest() not in digests


def test_photos_sent_one_by_one_keep_the_names_that_people_gave_them(tmp_path: Path) -> None:
    folder = spread(tmp_path / "sent", {"8f3a": picture(seed=1), "77b1": picture(seed=2), "c001": b"a cat sleeps"})
    report = judge(folder, tmp_path / "out.zip", names={"8f3a": "睡觉.JPG", "77b1": "IMG 2.jpeg", "c001": "睡觉.txt"})
    assert [(image.file, image.caption) for image in report.images] == [
        ("IMG 2.jpeg", None),
        ("睡觉.JPG", "a cat sleeps"),
    ]


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_photo_that_lies_on_its_side_is_judged_upright(judged: Judge, orientation: int) -> None:
    report = judged({"x.jpg": turned(2000, 1500, orientation)})
    image = report.images[0]
    upright = orientation < 5
    assert (image.width, image.height) == ((2000, 1500) if upright else (1500, 2000))
    assert image.fit is not None
    assert (image.fit.width, image.fit.height) == ((1024, 768) if upright else (768, 1024))


@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (2, Image.Transpose.FLIP_LEFT_RIGHT),
        (3, Image.Transpose.ROTATE_180),
        (4, Image.Transpose.FLIP_TOP_BOTTOM),
        (5, Image.Transpose.TRANSPOSE),
        (6, Image.Transpose.ROTATE_90),
        (7, Image.Transpose.TRANSVERSE),
        (8, Image.Transpose.ROTATE_270),
    ],
)
def test_the_same_photo_turned_by_its_tag_is_nearly_the_same(
    judged: Judge, orientation: int, stored: Image.Transpose
) -> None:
    upright = drawn(1024, 768, 5)
    exif = Image.Exif()
    exif[0x0112] = orientation
    lying = encoded(upright.transpose(stored), "PNG", exif=exif)
    report = judged(
        {"a.png": encoded(upright, "PNG"), "b.png": lying, "c.png": encoded(upright.transpose(stored), "PNG")}
    )
    assert codes(report, 2) == {"image_near"}
    assert "image_near" not in codes(report, 3)


def faint(seed: int) -> Image.Image:
    """A pattern that hardly differs from grey."""
    dice = random.Random(seed)  # noqa: S311 -- nothing to guess
    dots = Image.frombytes("L", (12, 12), bytes(dice.randrange(122, 134) for _ in range(144)))
    return dots.resize((1024, 1024), Image.Resampling.BICUBIC).convert("RGB")


def test_near_pictures_are_found_and_different_ones_are_not(judged: Judge) -> None:
    original = drawn(1024, 1024, 9)
    report = judged(
        {
            "a.png": encoded(original, "PNG"),
            "b.jpg": encoded(original, "JPEG", quality=30),
            "c.webp": encoded(original.resize((1100, 1100)), "WEBP", quality=60),
            "d.jpg": picture(seed=10),
            "e.png": encoded(Image.new("RGB", (1024, 1024), "white"), "PNG"),
            "f.png": encoded(Image.new("RGB", (1024, 1024), "black"), "PNG"),
            "g.png": encoded(Image.new("RGB", (1024, 1024), "red"), "PNG"),
            # Alike in colour, not in what they show.
            "faint a.png": encoded(faint(1), "PNG"),
            "faint b.png": encoded(faint(2), "PNG"),
            "h.jpg": encoded(original.transpose(Image.Transpose.FLIP_LEFT_RIGHT), "JPEG"),
        }
    )
    near = {(finding.number, finding.fields["other"]) for finding in report.findings if finding.code == "image_near"}
    assert near == {(2, 1), (3, 1)}


def test_a_phones_second_picture_is_no_animation(judged: Judge) -> None:
    data = encoded(drawn(seed=1), "MPO", save_all=True, append_images=[drawn(512, 512, 2)])
    report = judged({"x.jpg": data})
    assert report.ok
    assert report.images[0].kind == "jpeg"
    assert codes(report, 1) == set()


def test_an_alpha_channel_that_is_full_everywhere_does_no_harm(judged: Judge) -> None:
    full = encoded(drawn(seed=1).convert("RGBA"), "PNG")
    palette = drawn(seed=2).quantize(16)
    report = judged({"a.png": full, "b.png": encoded(palette, "PNG"), "c.png": encoded(palette, "PNG", transparency=3)})
    assert codes(report, 1) == codes(report, 2) == set()
    assert "color_alpha" in codes(report, 3)


def test_sixteen_bits_of_colour_are_noticed(judged: Judge) -> None:
    rows = (b"\0" + b"\x12\x34\x56\x78\x9a\xbc" * 64) * 64
    report = judged({"x.png": png(64, 64, 16, 2, rows)})
    assert "color_16bit" in codes(report, 1)


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "x.jpg"), ("PNG", "x.png"), ("WEBP", "x.webp")])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.97])
def test_a_cut_off_file_is_an_error_wherever_it_was_cut(judged: Judge, kind: str, name: str, share: float) -> None:
    options = {"progressive": True} if kind == "JPEG" else {}
    data = picture(seed=3, kind=kind, **options)
    report = judged({name: data[: int(len(data) * share)]})
    assert not report.ok
    assert codes(report, 1) & {"image_truncated", "image_broken"}
    assert report.images[0].fit is None


@pytest.mark.parametrize(("kind", "name"), [("JPEG", "x.jpg"), ("PNG", "x.png"), ("WEBP", "x.webp")])
def test_any_bytes_behind_a_good_beginning_are_judged(judged: Judge, kind: str, name: str) -> None:
    dice = random.Random(4)  # noqa: S311 -- nothing to guess
    data = picture(200, 200, 3, kind=kind)
    for _ in range(60):
        broken = bytearray(data)
        for _ in range(dice.randrange(1, 30)):
            broken[dice.randrange(4, len(broken))] = dice.randrange(256)
        judged({name: bytes(broken)})


def test_every_kind_is_kept_under_its_own_ending(judged: Judge, canonical: Path) -> None:
    report = judged(
        {
            "a.jpeg": picture(seed=1),
            "b.png": picture(seed=2, kind="PNG"),
            "c.webp": picture(seed=3, kind="WEBP"),
            "d.png": picture(seed=4),
            "sent without ending": picture(seed=5),
        }
    )
    assert report.ok
    assert codes(report, 4) == codes(report, 5) == {"wrong_ending"}
    with zipfile.ZipFile(canonical) as archive:
        assert archive.namelist() == ["001.jpg", "002.png", "003.webp", "004.jpg", "005.jpg"]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "gb18030"])
def test_captions_come_out_as_utf_8(judged: Judge, canonical: Path, encoding: str) -> None:
    text = "a cat, 一只猫在窗边" if encoding != "utf-16-le" else "a cat by the window"
    report = judged({"x.jpg": picture(), "x.txt": f"{text} \r\n".encode(encoding)})
    assert report.images[0].caption == text
    assert ("caption_converted" in codes(report, 1)) == (not encoding.startswith("utf-8"))
    with zipfile.ZipFile(canonical) as archive:
        assert archive.read("001.txt") == text.encode()


def test_more_than_a_hundred_are_counted_but_not_read(judged: Judge) -> None:
    report = judged({f"{n}.png": encoded(Image.new("RGB", (8, 8), (n, 0, 0)), "PNG") for n in range(130)})
    assert (report.images_total, len(report.images)) == (130, 100)
    assert not report.ok


def test_a_file_that_the_archive_does_not_vouch_for(tmp_path: Path, canonical: Path) -> None:
    path = packed(tmp_path / "upload.zip", good() | {"x.jpg": picture(seed=70)}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    at = data.rindex(b"\xff\xd9", 0, data.index(b"PK\x01\x02"))
    data[at - 500] ^= 0xFF
    path.write_bytes(data)
    check(judge(path, canonical), "file_damaged")


def test_what_is_no_image_set_is_refused(tmp_path: Path, canonical: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def code(source: Path) -> str:
        with pytest.raises(DatasetError) as refusal:
            judge(source, canonical)
        return refusal.value.code

    text = tmp_path / "data.jsonl"
    text.write_bytes(b"{}\n")
    assert code(text) == "images_no_archive"
    assert code(packed(tmp_path / "none.zip", {"a.txt": b"a"})) == "images_none"
    cut = tmp_path / "cut.zip"
    cut.write_bytes(packed(tmp_path / "whole.zip", good(2)).read_bytes()[:-40])
    assert code(cut) == "archive_broken"
    assert code(packed(tmp_path / "many.zip", {f"{n}.txt": b"" for n in range(1001)})) == "images_too_many_files"
    monkeypatch.setattr(module, "MAX_BYTES", 50_000)
    assert code(packed(tmp_path / "large.zip", good(4))) == "images_too_large"


def test_a_bomb_is_refused_by_what_it_claims_and_by_what_it_holds(tmp_path: Path, canonical: Path) -> None:
    bomb = tmp_path / "bomb.zip"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("x.jpg", "w") as member:
        for _ in range(320):
            member.write(b"\0" * 1_000_000)
    assert bomb.stat().st_size < 1_000_000
    with pytest.raises(DatasetError, match="images_too_large"):
        judge(bomb, canonical)
    # A liar: the archive says that the same file is small.
    data = bytearray(bomb.read_bytes())
    claimed = (320_000_000).to_bytes(4, "little")
    while (at := data.find(claimed)) >= 0:
        data[at : at + 4] = (1000).to_bytes(4, "little")
    bomb.write_bytes(data)
    report = judge(bomb, canonical)
    assert {finding.code for finding in report.findings} & {"file_damaged", "not_image"}
    assert canonical.stat().st_size < 10_000


def test_a_picture_bomb_is_a_finding_and_is_not_decoded(judged: Judge) -> None:
    rows = (b"\0" + b"\0" * 3 * 12_000) * 6000  # 72 megapixels in a few hundred kilobytes
    bomb = png(12_000, 6000, 8, 2, rows)
    assert len(bomb) < 300_000
    canvas = bytearray(encoded(_moving(), "WEBP", save_all=True, append_images=[_moving(2)], lossless=True))
    assert canvas[12:16] == b"VP8X"
    canvas[24:30] = (16_000).to_bytes(3, "little") * 2
    report = judged({"a.png": bomb, "b.webp": bytes(canvas)})
    assert [finding.code for finding in report.findings if finding.number] == ["image_too_big"] * 2
    assert {finding.fields.get("width") for finding in report.findings if finding.number} == {"12000", "16001"}


def _moving(seed: int = 1) -> Image.Image:
    return drawn(64, 64, seed)


def test_metadata_that_are_broken_are_none(judged: Judge) -> None:
    data = picture(seed=1, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12\x00\x09")
    report = judged({"x.jpg": data})
    assert report.ok
    assert codes(report, 1) == set()


def test_names_stay_text(judged: Judge, tmp_path: Path) -> None:
    before = sorted(entry.name for entry in tmp_path.iterdir())
    report = judged(
        {"../../evil.jpg": picture(seed=1), "/etc/x.jpg": picture(seed=2), "a\x1b[31m.jpg": picture(seed=3)}
    )
    assert len(report.images) == 3
    assert all(image.file.isprintable() for image in report.images)
    assert {entry.name for entry in tmp_path.iterdir()} - set(before) == {"upload.zip", "canonical.zip"}


def test_the_report_is_small(judged: Judge) -> None:
    report = judged({"x.jpg": picture(), "x.txt": ("word " * 20_000).encode()})
    assert len(json.dumps(report.as_json())) < 4000
    assert report.images[0].tokens > 20_000


def test_a_thumbnail_is_never_dark_where_the_picture_was_transparent(judged: Judge, tmp_path: Path) -> None:
    clear = Image.new("RGBA", (1024, 1024), (0, 0, 0, 0))
    judged({"x.png": encoded(clear, "PNG")}, sheets=tmp_path)
    with Image.open(io.BytesIO((tmp_path / "page-1.png").read_bytes())) as page:
        assert page.mode == "RGB"
        assert page.getpixel((24 + 123, 76 + 123)) == (255, 255, 255)
