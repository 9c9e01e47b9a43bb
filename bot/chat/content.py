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

    Exactly one of the two is set. A token is at most 64 ASCII bytes and says nothing about what it does. ``asks``: what
    the press leads to awaits a text; a platform that has forms may ask for it at once, and hands over the press and
    then a message with the text.
    """

    label: str
    token: str = ""
    copy: str = ""
    style: ButtonStyle = ButtonStyle.NORMAL
    asks: bool = False


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
    ``edit`` leaves those that are there alone. An edit without buttons removes the buttons. ``personal``: for the eyes
    of whoever asked; in a group a platform shows it to nobody else, if it can.
    """

    title: str = ""
    blocks: tuple[Block, ...] = ()
    buttons: tuple[tuple[Button, ...], ...] = ()
    attachments: tuple[Attachment, ...] = ()
    tone: Tone = Tone.NORMAL
    rings: bool = True
    personal: bool = False


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


class OptionKind(StrEnum):
    """What may be given. A switch is given or not; a percentage is whole; a file is an upload."""

    TEXT = "text"
    WHOLE = "whole"
    NUMBER = "number"
    PERCENT = "percent"
    SWITCH = "switch"


@dataclass(frozen=True, slots=True)
class Option:
    """An argument of a command, for platforms that ask for each by itself.

    ``form`` is how it stands in the line (``--epochs {}``); one that begins with a slash is the line (``/ds_{}``).
    ``choices`` are all its values; ``completes`` names what the platform may ask for while somebody types (datasets,
    jobs, models). ``names`` and ``descriptions`` by language.
    """

    name: str
    kind: OptionKind = OptionKind.TEXT
    form: str = "{}"
    choices: tuple[str, ...] = ()
    completes: str = ""
    least: float | None = None
    most: float | None = None
    required: bool = False
    names: dict[str, str] = field(default_factory=dict)
    descriptions: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A command for the platform's own menu or completion: name without slash, description by language.

    ``role`` is the least role that may use it, ``arguments`` a one-line grammar such as ``[N] [flags]``, ``options``
    the same one by one. ``personal``: its answer is for the eyes of whoever asked.
    """

    name: str
    role: str
    arguments: str = ""
    descriptions: dict[str, str] = field(default_factory=dict)
    options: tuple[Option, ...] = ()
    personal: bool = False


Content = Card | Answer
