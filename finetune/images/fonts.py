"""Letters for pictures, Chinese ones too. Loads Pillow.

Noto Sans SC comes in the package ``pylopdf-fonts-zh-cn``; without it Pillow's own face is taken, which knows Latin
only, and a name that it cannot write is left out.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path

from PIL import ImageFont

_PACKAGE = "pylopdf_fonts_zh_cn"
_FILE = "NotoSansSC-Regular.otf"
_NO_CHARACTER = "\uffff"
_INSTEAD = "·"

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


@cache
def font(size: int) -> Font:
    """The face in a size of pixels."""
    path = chinese()
    if path is None:
        return ImageFont.load_default(size)
    # Names come from anywhere: plain layout has less to be confused by than shaping.
    return ImageFont.truetype(str(path), size, layout_engine=ImageFont.Layout.BASIC)


def written(face: Font, text: str) -> str:
    """The text with a point for every letter that the face lacks; "" when those are the most of it."""
    letters = [letter if _knows(face, letter) else _INSTEAD for letter in text]
    lacking = sum(1 for letter, own in zip(letters, text, strict=True) if letter != own)
    return "" if lacking * 2 > len(text) else "".join(letters)


def shortened(face: Font, text: str, width: float) -> str:
    """The text in so many pixels, without its middle if it must be: a name's end tells it from its neighbours."""
    if face.getlength(text) <= width:
        return text
    for kept in range(len(text) - 1, 1, -1):
        tail = kept // 2
        cut = f"{text[: kept - tail]}…{text[len(text) - tail :]}"
        if face.getlength(cut) <= width:
            return cut
    return "…"


def chinese() -> Path | None:
    """The file of the Chinese face, if its package is there."""
    found = find_spec(_PACKAGE)
    if found is None or found.origin is None:
        return None
    path = Path(found.origin).with_name(_FILE)
    return path if path.is_file() else None


def _knows(face: Font, letter: str) -> bool:
    if letter.isspace():
        return True
    return bytes(face.getmask(letter)) != bytes(face.getmask(_NO_CHARACTER))
