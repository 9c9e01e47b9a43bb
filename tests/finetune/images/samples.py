"""Real pictures and real archives, made where they are needed."""

import io
import random
import struct
import zipfile
import zlib
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

CAPTION = "a totoro walks through the forest"


def drawn(width: int = 1024, height: int = 1024, seed: int = 0) -> Image.Image:
    """A picture that is like no other of another seed."""
    dice = random.Random(seed)  # noqa: S311 -- nothing to guess

    def color() -> tuple[int, int, int]:
        return dice.randrange(256), dice.randrange(256), dice.randrange(256)

    image = Image.new("RGB", (width, height), color())
    pen = ImageDraw.Draw(image)
    for _ in range(30):
        left, top = dice.randrange(width), dice.randrange(height)
        pen.ellipse((left, top, left + dice.randrange(width // 2), top + dice.randrange(height // 2)), color())
    return image


def encoded(image: Image.Image, kind: str = "JPEG", **options: Any) -> bytes:
    """The bytes of a file."""
    target = io.BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


def picture(width: int = 1024, height: int = 1024, seed: int = 0, kind: str = "JPEG", **options: Any) -> bytes:
    """A picture file."""
    return encoded(drawn(width, height, seed), kind, **options)


def good(count: int = 10) -> dict[str, bytes]:
    """The files of a set that nothing is wrong with."""
    files = {}
    for number in range(count):
        files[f"{number}.jpg"] = picture(seed=number)
        files[f"{number}.txt"] = CAPTION.encode()
    return files


def packed(path: Path, files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A ``.zip`` of the files."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return path


def spread(folder: Path, files: dict[str, bytes]) -> Path:
    """A folder of the files."""
    for name, data in files.items():
        place = folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    return folder


def png_chunk(name: bytes, data: bytes) -> bytes:
    """One chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, bits: int, color_type: int, rows: bytes) -> bytes:
    """A PNG with the header that is asked for, true or not."""
    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, 0)
    body = png_chunk(b"IHDR", header) + png_chunk(b"IDAT", zlib.compress(rows, 9)) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def located(seed: int = 0) -> bytes:
    """A photo that knows where it was taken."""
    exif = Image.Exif()
    exif.get_ifd(0x8825).update({1: "N", 2: (48.0, 8.0, 0.0), 3: "E", 4: (11.0, 34.0, 0.0)})
    return picture(seed=seed, exif=exif)


def turned(width: int, height: int, orientation: int, seed: int = 0) -> bytes:
    """A photo that lies on its side and says so."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return picture(width, height, seed, exif=exif)
