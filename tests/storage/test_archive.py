"""Archives: whole or refused."""

import io
import tarfile
from pathlib import Path

import pytest

from storage.archive import BadArchive, Packer, unpack


def packed(folder: Path) -> Path:
    (folder / "a.bin").write_bytes(bytes(range(256)) * 40)
    (folder / "empty").write_bytes(b"")
    with Packer(folder / "out.tar", {"format": 1}) as packer:
        assert packer.add("files/a", folder / "a.bin")
        assert packer.add("长/名字" + "x" * 200, folder / "empty")
        assert not packer.add("files/gone", folder / "gone")
    return folder / "out.tar"


def test_what_was_packed_comes_out_the_same(tmp_path: Path) -> None:
    archive = packed(tmp_path)
    assert unpack(archive, tmp_path / "there") == {"format": 1}
    assert (tmp_path / "there/files/a").read_bytes() == (tmp_path / "a.bin").read_bytes()
    assert (tmp_path / "there/长" / ("名字" + "x" * 200)).read_bytes() == b""
    assert archive.stat().st_mode & 0o777 == 0o600


def test_an_error_on_the_way_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), Packer(tmp_path / "out.tar", {}):
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_grows_meanwhile_is_packed_as_it_was(tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.write_bytes(b"one\n")
    with Packer(tmp_path / "out.tar", {}) as packer, log.open("ab") as more:
        packer.add("log", log)
        more.write(b"two\n")
    unpack(tmp_path / "out.tar", tmp_path / "there")
    assert (tmp_path / "there/log").read_bytes() == b"one\n"


@pytest.mark.parametrize("share", [0.0, 0.02, 0.5, 0.7, 0.9])
def test_a_cut_off_archive_is_refused(tmp_path: Path, share: float) -> None:
    archive = packed(tmp_path)
    data = archive.read_bytes()
    archive.write_bytes(data[: int(len(data.rstrip(b"\0")) * share)])
    with pytest.raises(BadArchive) as caught:
        unpack(archive, tmp_path / "there")
    assert caught.value.code in ("incomplete", "unreadable")


def test_one_changed_bit_is_found(tmp_path: Path) -> None:
    archive = packed(tmp_path)
    data = bytearray(archive.read_bytes())
    place = data.index(bytes(range(256)))
    data[place + 7] ^= 1
    archive.write_bytes(data)
    with pytest.raises(BadArchive) as caught:
        unpack(archive, tmp_path / "there")
    assert (caught.value.code, caught.value.name) == ("damaged", "files/a")


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a//b", "a\\b", "."])
def test_names_that_lead_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    archive = tmp_path / "bad.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = 1
        tar.addfile(entry, io.BytesIO(b"x"))
    with pytest.raises(BadArchive):
        unpack(archive, tmp_path / "there")
    assert [path.name for path in tmp_path.iterdir()] == ["bad.tar"]


def test_links_are_refused(tmp_path: Path) -> None:
    archive = tmp_path / "bad.tar"
    with tarfile.open(archive, "w") as tar:
        entry = tarfile.TarInfo("files/a")
        entry.type, entry.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(entry)
    with pytest.raises(BadArchive):
        unpack(archive, tmp_path / "there")


def test_any_other_file_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "photo.jpg"
    other.write_bytes(b"\xff\xd8" + bytes(5000))
    with pytest.raises(BadArchive) as caught:
        unpack(other, tmp_path / "there")
    assert caught.value.code == "unreadable"
