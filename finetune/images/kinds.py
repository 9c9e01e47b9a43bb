"""What a file is by its first bytes, whatever its name says, and how much a set may hold. Needs no picture library."""

from collections.abc import Mapping

HEAD_BYTES = 32
# What a set may have: pictures, and bytes of pictures and captions.
MAX_IMAGES = 100
MAX_BYTES = 300_000_000

# The kinds that can be trained on, with the endings that a file of that kind may have.
ENDINGS: Mapping[str, tuple[str, ...]] = {
    "jpeg": (".jpg", ".jpeg"),
    "png": (".png",),
    "webp": (".webp",),
}
# The ending under which a kind is kept.
CANONICAL: Mapping[str, str] = {"jpeg": ".jpg", "png": ".png", "webp": ".webp"}
CAPTION = ".txt"
# Endings of pictures that people send and training does not take.
_FOREIGN = (
    ".gif",
    ".bmp",
    ".tif",
    ".tiff",
    ".heic",
    ".heif",
    ".avif",
    ".jxl",
    ".svg",
    ".psd",
    ".ico",
    ".jp2",
    ".raw",
    ".dng",
    ".cr2",
    ".nef",
    ".arw",
)
_BEGINNINGS = (
    (b"\xff\xd8\xff", "jpeg"),
    (b"\x89PNG\r\n\x1a\n", "png"),
    (b"GIF8", "gif"),
    (b"II*\0", "tiff"),
    (b"MM\0*", "tiff"),
    (b"8BPS", "psd"),
    (b"\xff\x0a", "jxl"),
    (b"\0\0\0\x0cJXL ", "jxl"),
    (b"\0\0\0\x0cjP  ", "jp2"),
)
_BRANDS: Mapping[bytes, str] = {
    b"heic": "heic",
    b"heix": "heic",
    b"heim": "heic",
    b"hevc": "heic",
    b"mif1": "heic",
    b"msf1": "heic",
    b"avif": "avif",
    b"avis": "avif",
}


def ending(name: str) -> str:
    """The ending of a name in small letters, with its point; "" for none."""
    last = name.rsplit("/", 1)[-1]
    stem, point, tail = last.rpartition(".")
    return f".{tail.lower()}" if point and stem else ""


def named_like_picture(name: str) -> bool:
    """Whether somebody who reads the name expects a picture, trainable or not."""
    return ending(name) in _FOREIGN or trainable_name(name)


def trainable_name(name: str) -> bool:
    """Whether the name ends like a picture that can be trained on."""
    return any(ending(name) in endings for endings in ENDINGS.values())


def caption_name(name: str) -> bool:
    """Whether the name ends like a caption."""
    return ending(name) == CAPTION


def sniff(head: bytes) -> str | None:
    """The kind of a picture that begins with ``head`` (``jpeg``, ``heic``, …); None for anything else."""
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head[4:8] == b"ftyp":
        return _BRANDS.get(head[8:12])
    if head[:2] == b"BM" and head[6:10] == b"\0\0\0\0":
        return "bmp"
    return next((kind for beginning, kind in _BEGINNINGS if head.startswith(beginning)), None)


def webp_canvas(head: bytes) -> tuple[int, int] | None:
    """Width and height that a WebP claims: its library reserves that much memory as soon as the file is opened."""
    if len(head) < 30:
        return None
    match head[12:16]:
        case b"VP8X":
            return 1 + int.from_bytes(head[24:27], "little"), 1 + int.from_bytes(head[27:30], "little")
        case b"VP8L":
            packed = int.from_bytes(head[21:25], "little")
            return 1 + (packed & 0x3FFF), 1 + (packed >> 14 & 0x3FFF)
        case b"VP8 ":
            return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
        case _:
            return None
