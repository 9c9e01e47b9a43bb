"""Makes the buttons of one card. What a button does is collected here and kept on the server; its token on the wire
says nothing. The same button made twice has the same token, so editing a card does not multiply its buttons.
"""

import hashlib
import hmac
import json
from base64 import urlsafe_b64encode
from dataclasses import dataclass

from bot.chat.content import Button, ButtonStyle


@dataclass(frozen=True, slots=True)
class Key:
    """What a token means."""

    token: str
    action: str
    payload: dict[str, object]
    person_id: int | None
    once: bool


class Keypad:
    """Buttons of one card. ``secret`` makes tokens unguessable."""

    def __init__(self, secret: bytes) -> None:
        self._secret = secret
        self.keys: list[Key] = []

    def press(
        self,
        label: str,
        action: str,
        *,
        style: ButtonStyle = ButtonStyle.NORMAL,
        person_id: int | None = None,
        once: bool = False,
        asks: bool = False,
        **payload: object,
    ) -> Button:
        """A button that comes back as a press. ``person_id``: nobody else may press it. ``once``: one press counts.
        ``asks``: it leads to a text that is awaited.
        """
        meaning = json.dumps([action, payload, person_id, once], sort_keys=True, ensure_ascii=False)
        digest = hmac.new(self._secret, meaning.encode(), hashlib.sha256).digest()
        token = urlsafe_b64encode(digest[:18]).decode()
        self.keys.append(Key(token, action, dict(payload), person_id, once))
        return Button(label, token=token, style=style, asks=asks)

    @staticmethod
    def copy(label: str, text: str) -> Button:
        """A button that puts text on the clipboard."""
        return Button(label, copy=text)
