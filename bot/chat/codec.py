"""Events as text and back, so that they can be stored before they are acknowledged."""

from pydantic import TypeAdapter

from bot.chat.events import Event, Message, Press

_MESSAGE = TypeAdapter(Message)
_PRESS = TypeAdapter(Press)


def encode(event: Event) -> str:
    """An event as one line of JSON, its kind in front."""
    if isinstance(event, Message):
        return "message " + _MESSAGE.dump_json(event).decode()
    return "press " + _PRESS.dump_json(event).decode()


def decode(text: str) -> Event:
    """The event that :func:`encode` wrote."""
    kind, _, body = text.partition(" ")
    return _MESSAGE.validate_json(body) if kind == "message" else _PRESS.validate_json(body)
