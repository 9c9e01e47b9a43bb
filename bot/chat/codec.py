"""Events as text and back, so that they can be stored before they are acknowledged."""

from pydantic import TypeAdapter

from bot.chat.events import Edit, Event, Message, Moved, Presence, Press

_KINDS: dict[str, TypeAdapter[Event]] = {
    "message": TypeAdapter(Message),
    "press": TypeAdapter(Press),
    "edit": TypeAdapter(Edit),
    "moved": TypeAdapter(Moved),
    "presence": TypeAdapter(Presence),
}
_NAMES = {Message: "message", Press: "press", Edit: "edit", Moved: "moved", Presence: "presence"}


def encode(event: Event) -> str:
    """An event as one line of JSON, its kind in front."""
    name = _NAMES[type(event)]
    return f"{name} {_KINDS[name].dump_json(event).decode()}"


def decode(text: str) -> Event:
    """The event that :func:`encode` wrote. Raises ``KeyError`` for a kind that is not known."""
    kind, _, body = text.partition(" ")
    return _KINDS[kind].validate_json(body)
