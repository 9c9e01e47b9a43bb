"""One picture, decoded: its size, what is wrong with it, a thumbnail and a fingerprint. Loads Pillow."""

import struct
import warnings
import zlib
from dataclasses import dataclass
from typing import IO

from PIL import Image

from finetune.images.findings import Problem
from finetune.images.kinds import webp_canvas
from finetune.images.likeness import HEIGHT, WIDTH, Fingerprint, fingerprint

# A 50-megapixel phone's picture passes; its pixels, twice, fit into the memory of the process.
MAX_PIXELS = 64_000_000
# The library of WebP holds two more copies of the pixels than the others.
MAX_WEBP_PIXELS = 32_000_000
THUMBNAIL = 246
_ORIENTATION = 0x0112
_TURNED = (5, 6, 7, 8)
# What makes a picture of each orientation stand as it was meant; 1 does already.
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_GPS = 0x8825
_LATITUDE = 2
_FORMATS = {"jpeg": ("JPEG",), "png": ("PNG",), "webp": ("WEBP",)}
# Whatever the decoders say to bytes that were made to confuse them.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    EOFError,
    OverflowError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    struct.error,
    zlib.error,
)

# The bound is ours, and a finding; Pillow's own would be a warning first.
Image.MAX_IMAGE_PIXELS = None


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen. ``width`` and ``height`` in pixels, orientation applied; 0 where nothing could be seen.

    ``thumbnail``: an RGB picture of at most 246 × 246; None together with ``print`` where decoding failed.
    """

    width: int
    height: int
    problems: tuple[Problem, ...]
    thumbnail: Image.Image | None = None
    print: Fingerprint | None = None


def look(file: IO[bytes], kind: str) -> Look:
    """Decode a file of a trainable kind (``jpeg``, ``png``, ``webp``). Never raises for what is in it."""
    size = file.seek(0, 2)
    file.seek(0)
    head = file.read(32)
    file.seek(0)
    canvas = webp_canvas(head) if kind == "webp" else None
    if canvas and canvas[0] * canvas[1] > MAX_WEBP_PIXELS:
        return _too_big(*canvas, MAX_WEBP_PIXELS)
    if kind == "webp" and int.from_bytes(head[4:8], "little") + 8 > size:
        return Look(0, 0, (Problem("image_truncated"),))
    try:
        # What Pillow warns of is odd metadata, which nobody needs.
        with warnings.catch_warnings(action="ignore"), Image.open(file, formats=_FORMATS[kind]) as image:
            return _look(image, head)
    except MemoryError:
        return Look(0, 0, (Problem("image_heavy"),))
    except _BROKEN as error:
        code = "image_truncated" if "truncated" in str(error).lower() else "image_broken"
        return Look(0, 0, (Problem(code),))


def _look(image: Image.Image, head: bytes) -> Look:
    width, height = image.size
    if width * height > MAX_PIXELS:
        return _too_big(width, height, MAX_PIXELS)
    # Phones put a second picture behind the first one of a JPEG; the first is the photo.
    if image.format != "MPO" and getattr(image, "is_animated", False):
        return Look(width, height, (Problem("image_animated"),))
    # A JPEG is decoded no larger than needed, which finds the same damage in a fraction of the time.
    image.draft(None, (2 * THUMBNAIL, 2 * THUMBNAIL))
    image.load()
    problems = [*_colors(image, head)]
    orientation, located = _metadata(image)
    if orientation in _TURNED:
        width, height = height, width
    if located:
        problems.append(Problem("location"))
    thumbnail = _thumbnail(image, orientation)
    grey = thumbnail.convert("L").resize((WIDTH, HEIGHT), Image.Resampling.BOX).tobytes()
    colors = thumbnail.resize((16, 16), Image.Resampling.BOX).tobytes()
    return Look(width, height, tuple(problems), thumbnail, fingerprint(grey, colors))


def _too_big(width: int, height: int, limit: int) -> Look:
    fields: dict[str, str | int] = {"width": str(width), "height": str(height), "limit": limit // 1_000_000}
    return Look(0, 0, (Problem("image_too_big", fields),))


def _colors(image: Image.Image, head: bytes) -> list[Problem]:
    found = []
    if image.mode == "CMYK":
        found.append(Problem("color_cmyk"))
    # Pillow gives the upper eight bits of a coloured PNG and keeps quiet about it: its header says so.
    if image.mode.startswith("I") or (head.startswith(b"\x89PNG") and head[24] == 16):
        found.append(Problem("color_16bit"))
    if _is_transparent(image):
        found.append(Problem("color_alpha"))
    return found


def _is_transparent(image: Image.Image) -> bool:
    """Whether anything shows through; an alpha channel that is full everywhere does no harm."""
    if image.mode in ("RGBA", "LA", "PA"):
        lowest = image.getchannel("A").getextrema()[0]
        return isinstance(lowest, int | float) and lowest < 255
    return "transparency" in image.info


def _metadata(image: Image.Image) -> tuple[int, bool]:
    """The orientation from 1 to 8, and whether the place where it was taken is in it. Broken metadata are none."""
    try:
        exif = image.getexif()
        orientation = exif.get(_ORIENTATION, 1)
        located = bool(exif.get_ifd(_GPS).get(_LATITUDE))
    except _BROKEN:
        return 1, False
    return (orientation if orientation in range(1, 9) else 1), located


def _thumbnail(image: Image.Image, orientation: int) -> Image.Image:
    """Small, upright, on white."""
    if image.mode.startswith("I"):
        image = image.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    elif image.mode in ("1", "P", "PA"):
        image = image.convert("RGBA" if "transparency" in image.info or image.mode == "PA" else "RGB")
    image.thumbnail((THUMBNAIL, THUMBNAIL), Image.Resampling.BICUBIC, reducing_gap=2.0)
    if image.mode in ("RGBA", "LA"):
        flat = Image.new("RGBA", image.size, "white")
        flat.alpha_composite(image.convert("RGBA"))
        image = flat
    upright = image.convert("RGB")
    return upright.transpose(_UPRIGHT[orientation]) if orientation in _UPRIGHT else upright
