"""The contact sheet, as pixels."""

from pathlib import Path

import pytest
from PIL import Image

from finetune.images import fonts, sheet
from finetune.images.fonts import font, shortened, written
from tests.finetune.images.conftest import Judge
from tests.finetune.images.samples import encoded, good

RED, YELLOW = (200, 55, 27), (245, 197, 24)


def colors(path: Path) -> set[tuple[int, ...]]:
    with Image.open(path) as page:
        assert page.mode == "RGB"
        found = page.getcolors(1 << 24)
        assert found is not None
        return {color for _, color in found if isinstance(color, tuple)}


def test_marks_stand_on_what_they_mean(judged: Judge, tmp_path: Path) -> None:
    files = {name: data for name, data in good(2).items() if name.endswith("jpg")}
    assert judged(files, tmp_path).sheets == 1
    page = tmp_path / "page-1.png"
    assert not colors(page) & {RED, YELLOW}
    judged(files | {"9.jpg": b"oops"}, tmp_path)
    assert RED in colors(page)
    assert YELLOW not in colors(page)
    # It lacks a caption as well: the worse of the two is shown.
    report = judged(good(2) | {"9.jpg": b"oops"}, tmp_path)
    assert [finding.code for finding in report.findings if finding.number == 3] == ["not_image", "caption_missing"]
    assert RED in colors(page)
    assert YELLOW not in colors(page)
    report = judged(good(2) | {"9.png": good(9)["8.jpg"], "9.txt": b"\xff\x00\x01"}, tmp_path)
    assert [finding.code for finding in report.findings if finding.number == 3] == ["wrong_ending", "caption_bad_text"]
    assert RED in colors(page)
    small = encoded(Image.new("RGB", (400, 400), "navy"))
    judged(files | {"9.jpg": small}, tmp_path)
    assert YELLOW in colors(page)
    assert RED not in colors(page)


def test_a_mark_is_told_by_its_shape_and_lightness_too(judged: Judge, tmp_path: Path) -> None:
    def corner(data: bytes) -> Image.Image:
        judged({"1.jpg": data}, tmp_path)
        with Image.open(tmp_path / "page-1.png") as page:
            left, top = 24 + 246 - 54 - 6, 76 + 6
            return page.crop((left, top, left + 54, top + 54)).convert("L")

    error, warning = corner(b"oops"), corner(encoded(Image.new("RGB", (400, 400), (228, 228, 228))))
    # Above the middle of the left edge there is octagon, and nothing of the triangle.
    assert error.getpixel((6, 27)) != warning.getpixel((6, 27))
    assert abs(int(error.getpixel((27, 46))) - int(warning.getpixel((12, 46)))) > 60  # type: ignore[arg-type]


def test_a_hundred_pictures_are_pages_that_fit_a_phone(judged: Judge, tmp_path: Path) -> None:
    report = judged({f"{n}.png": encoded(Image.new("RGB", (8, 8), (n, 2 * n, 0)), "PNG") for n in range(100)}, tmp_path)
    assert report.sheets == 5
    for page in range(1, 6):
        with Image.open(tmp_path / sheet.page_name(page)) as picture:
            assert picture.width == 1080
            assert picture.height <= 2000


def test_chinese_names_are_drawn() -> None:
    face = font(25)
    assert written(face, "龙猫在森林里") == "龙猫在森林里"
    assert bytes(face.getmask("龙")) != bytes(face.getmask("猫"))
    assert written(face, "猫🐈") == "猫·"


def test_without_the_chinese_font_a_name_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fonts, "_PACKAGE", "no_such_package")
    font.cache_clear()
    try:
        face = font(25)
        assert written(face, "cat 01") == "cat 01"
        assert written(face, "龙猫在森林里") == ""
    finally:
        font.cache_clear()


def test_a_long_name_keeps_both_of_its_ends() -> None:
    face = font(25)
    cut = shortened(face, "IMG_20240101_080000_portrait_0042", 246)
    assert cut.startswith("IMG_")
    assert cut.endswith("_0042")
    assert face.getlength(cut) <= 246
    assert shortened(face, "猫", 246) == "猫"
