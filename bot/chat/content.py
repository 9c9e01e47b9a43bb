"""What goes out: cards (facts and buttons) and answers (what the model says). Plain data, no markup.

All text is already in the reader's language. A platform renders these words in its native form; it never shows
the text as markup. A word such as ``/job_12`` in any text is a command that the platform makes tappable if it can.
"""

from dataclasses import dataclass, field
from enum import StrEnum


class Tone(StrEnum):
    """How a card or a line is meant."""

    NORMAL = "normal"
    MUTED = "muted"
    GOOD = "good"
    WARNING = "warning"
    ERROR = "error"


class ButtonStyle(StrEnum):
    """How a button looks, where the platform can show it."""

    NORMAL = "normal"
    PRIMARY = "primary"
    DANGER = "danger"


@dataclass(frozen=True, slots=True)
class Button:
    """Something to tap. With ``token``: a press comes back. With ``copy``: the text goes to the clipboard.

    Exactly one of the two is set. A token is at most 64 ASCII bytes and says nothing about what it does.
    """

    label: str
    token: str = ""
    copy: str = ""
    style: ButtonStyle = ButtonStyle.NORMAL


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A line or more of text; line breaks are kept."""

    text: str
    tone: Tone = Tone.NORMAL


@dataclass(frozen=True, slots=True)
class Fields:
    """Names and values, in two columns where there is room."""

    rows: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Items:
    """A list, one line an item."""

    items: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Code:
    """Text to be copied or read as it stands, in a fixed-width face."""

    text: str


@dataclass(frozen=True, slots=True)
class Bar:
    """A progress bar: ``share`` from 0 to 1, ``None`` when unknown; the caption says the same in words."""

    share: float | None
    caption: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A small line: points (x, y), x ascending, at most 200 of them; the caption says what matters in words."""

    points: tuple[tuple[float, float], ...]
    caption: str


Block = Paragraph | Fields | Items | Code | Bar | Chart


class AttachmentKind(StrEnum):
    """Pictures are shown, documents are offered for download."""

    PICTURE = "picture"
    DOCUMENT = "document"


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file that goes out with a card. ``alt`` describes a picture to those who do not see it."""

    name: str
    media_type: str
    data: bytes
    kind: AttachmentKind = AttachmentKind.DOCUMENT
    alt: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """Facts and what can be done with them.

    ``rings``: whether the platform may notify people of it when it is sent. Attachments go out with ``send`` only;
    ``edit`` leaves those that are there alone. An edit without buttons removes the buttons.
    """

    title: str = ""
    blocks: tuple[Block, ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    tone: Tone = Tone.NORMAL
    rings: bool = True


class AnswerState(StrEnum):
    """``waiting``: nothing was said yet. ``streaming``: more may come. ``done``: the last word of this page."""

    WAITING = "waiting"
    STREAMING = "streaming"
    DONE = "done"


@dataclass(frozen=True, slots=True)
class Answer:
    """One page of what a model says, as Markdown source, balanced at every moment.

    ``note`` is a grey line of ours under it ("stopped", "interrupted", "the untuned base answers"). While
    ``waiting`` the text is empty and the note may say what is being waited for. ``thought`` is what the model said to
    itself before, to be shown folded away.
    """

    text: str
    state: AnswerState
    note: str = ""
    buttons: tuple[tuple[Button, ...], ...] = ()
    thought: str = ""


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A command for the platform's own menu or completion: name without slash, description by language.

    ``role`` is the least role that may use it, ``arguments`` a one-line grammar such as ``[N] [flags]``.
    """

    name: str
    role: str
    arguments: str = ""
    descriptions: dict[str, str] = field(default_factory=dict)


Content = Card | Answer
