"""Names: their order, their encodings, whose caption is whose, and what looks like an image set."""

import unicodedata
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from finetune.errors import DatasetError
from finetune.images import is_picture, looks_like_images
from finetune.images.members import members
from finetune.images.pairing import pair
from tests.finetune.images.samples import encoded, packed, picture, spread


def listed(source: Path) -> list[str]:
    with members(source) as found:
        return [member.name for member in found]


def test_people_count_two_before_ten(tmp_path: Path) -> None:
    files = dict.fromkeys(["10.jpg", "9.jpg", "b2.jpg", "b10.jpg", "B1.jpg", "05.jpg", "3.jpg", "a.jpg"], b"")
    assert listed(packed(tmp_path / "a.zip", files)) == [
        "3.jpg",
        "05.jpg",
        "9.jpg",
        "10.jpg",
        "a.jpg",
        "B1.jpg",
        "b2.jpg",
        "b10.jpg",
    ]


def test_what_systems_put_in_beside_is_no_file(tmp_path: Path) -> None:
    files = dict.fromkeys(
        ["a/1.jpg", "__MACOSX/a/._1.jpg", ".DS_Store", "a/.hidden/2.jpg", "Thumbs.db", "desktop.ini", "a/.3.jpg"], b""
    )
    assert listed(packed(tmp_path / "a.zip", files)) == ["a/1.jpg"]
    assert listed(spread(tmp_path / "a", files)) == ["a/1.jpg"]


@pytest.mark.parametrize("encoding", ["gb18030", "utf-8"])
def test_chinese_names_of_a_zip_that_does_not_say_its_encoding(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("X" * len("龙猫.jpg".encode(encoding)), b"")
    written = "龙猫.jpg".encode(encoding)
    path.write_bytes(path.read_bytes().replace(b"X" * len(written), written))
    assert listed(path) == ["龙猫.jpg"]


def test_a_name_that_macos_took_apart_is_the_same_name(tmp_path: Path) -> None:
    apart = unicodedata.normalize("NFD", "Café.jpg")
    assert apart != "Café.jpg"
    assert listed(packed(tmp_path / "a.zip", {apart: b""})) == ["Café.jpg"]


def test_an_archive_with_a_huge_list_of_files_is_not_listed(tmp_path: Path) -> None:
    # Few enough files: only the length of their list can be what is refused.
    whole = packed(tmp_path / "a.zip", {f"{n}{'x' * 6000}.jpg": b"" for n in range(900)}).read_bytes()
    end = whole.rindex(b"PK\x05\x06")
    closing = bytearray(whole[end:])
    path = tmp_path / "b.zip"
    for comment in (b"", b"thanks"):
        closing[20:22] = len(comment).to_bytes(2, "little")
        path.write_bytes(whole[:end] + bytes(closing) + comment)
        with pytest.raises(DatasetError, match="images_too_many_files"):
            listed(path)
        assert not looks_like_images(path)
    record = b"PK\x06\x06" + b"\0" * 36 + bytes(closing[12:16]) + b"\0" * 12
    locator = b"PK\x06\x07" + b"\0" * 16
    closing[12:16], closing[20:22] = (100).to_bytes(4, "little"), b"\0\0"
    path.write_bytes(whole[:end] + record + locator + bytes(closing))
    with pytest.raises(DatasetError, match="images_too_many_files"):
        listed(path)


def test_an_encrypted_archive_is_refused(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a.jpg": b"x"})
    data = bytearray(path.read_bytes())
    data[data.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(DatasetError, match="archive_encrypted"):
        listed(path)


@pytest.mark.parametrize(
    ("pictures", "captions", "found", "codes"),
    [
        (["1.jpg", "2.png"], ["1.txt", "2.txt"], {0: 0, 1: 1}, []),
        (["a/IMG.JPG"], ["a/img.txt"], {0: 0}, []),
        (["images/1.jpg"], ["captions/1.txt"], {0: 0}, []),
        (["a/1.jpg", "b/1.jpg"], ["a/1.txt", "b/1.txt"], {0: 0, 1: 1}, ["stem_twice"]),
        (["a/1.jpg", "b/1.jpg"], ["a/1.txt"], {0: 0}, ["stem_twice"]),
        (["a/1.jpg", "b/1.jpg"], ["1.txt"], {}, ["stem_ambiguous"]),
        (["1.jpg", "1.png"], ["1.txt"], {}, ["stem_ambiguous"]),
        (["1.jpg", "1.png"], [], {}, ["stem_twice"]),
        (["1.jpg"], ["a/1.txt", "b/1.txt"], {}, ["caption_twice"]),
        (["1.jpg"], ["1.txt", "b/1.txt"], {}, ["caption_twice"]),
        (["1.jpg"], ["2.txt"], {}, ["caption_orphan"]),
        (["1.v2.jpg", "1.jpg"], ["1.v2.txt"], {0: 0}, []),
    ],
)
def test_whose_caption_is_whose(
    pictures: list[str], captions: list[str], found: dict[int, int], codes: list[str]
) -> None:
    pairs = pair(pictures, captions)
    assert pairs.captions == found
    assert [finding.code for finding in pairs.findings] == codes


def test_what_looks_like_an_image_set(tmp_path: Path) -> None:
    def looks(files: dict[str, bytes]) -> bool:
        as_zip = looks_like_images(packed(tmp_path / "a.zip", files))
        folder = tmp_path / f"folder{len(list(tmp_path.iterdir()))}"
        folder.mkdir()
        assert looks_like_images(spread(folder, files)) == as_zip
        return as_zip

    assert looks({"a.jpg": b"", "a.txt": b""})
    assert looks({"deep/er/a.HEIC": b"", "deep/b.webp": b"", "metadata.jsonl": b""})
    assert not looks({"data.jsonl": b"", "logo.png": b""})
    assert not looks({"data.csv": b""})
    assert not looks({})


def test_a_workbook_with_pictures_in_it_is_a_workbook(tmp_path: Path) -> None:
    book = packed(tmp_path / "book.xlsx", {"[Content_Types].xml": b"", "xl/a.png": b"", "xl/b.png": b""})
    assert not looks_like_images(book)


def test_looking_never_raises(tmp_path: Path) -> None:
    broken = tmp_path / "broken.zip"
    broken.write_bytes(b"PK\x03\x04" + b"\xff" * 100)
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    for path in (broken, empty, tmp_path / "missing"):
        assert not looks_like_images(path)
        assert not is_picture(path)


def test_a_picture_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "sent without ending"
    for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"):
        path.write_bytes(encoded(Image.new("RGB", (20, 20)), kind))
        assert is_picture(path), kind
    path.write_bytes(picture()[2:])
    assert not is_picture(path)
