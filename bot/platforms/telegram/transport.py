"""HTTP to the Bot API: the library's own client, with our time-outs, and quiet about what people write."""

import json
import secrets
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from telegram import Update
from telegram.error import TelegramError
from telegram.request import HTTPXRequest

from bot.platforms.telegram.redaction import safe_logger

log = safe_logger(__name__)

CLOUD = "https://api.telegram.org"
CONNECT_SECONDS = 10.0
READ_SECONDS = 20.0
UPLOAD_SECONDS = 120.0


def is_loopback(address: str) -> bool:
    """Whether an address is on this machine; a proxy of the environment must not stand before it."""
    host = urlsplit(address).hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


class Request(HTTPXRequest):
    """Sends one request at a time, as often as there are callers."""

    def __init__(self, address: str, connections: int) -> None:
        super().__init__(
            connection_pool_size=connections,
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            write_timeout=READ_SECONDS,
            pool_timeout=CONNECT_SECONDS,
            media_write_timeout=UPLOAD_SECONDS,
            httpx_kwargs={"trust_env": not is_loopback(address)},
        )

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """The answer as JSON. Raises ``TelegramError`` if it is none; the library's own would log all of it."""
        try:
            answer = json.loads(payload.decode("utf-8", "replace"))
        except ValueError as error:
            raise TelegramError("Invalid server response") from error
        if not isinstance(answer, dict):
            raise TelegramError("Invalid server response")
        return answer


class UpdatesRequest(Request):
    """Reads updates; one that the library cannot read does not take the others with it."""

    @staticmethod
    def parse_json_payload(payload: bytes) -> dict[str, Any]:
        """As above; of an update that cannot be read only its id is left."""
        answer = Request.parse_json_payload(payload)
        result = answer.get("result")
        if isinstance(result, list):
            answer["result"] = [readable(update) for update in result]
        return answer


def readable(update: dict[str, Any]) -> dict[str, Any]:
    """The update, or only its id if the library cannot read it."""
    try:
        Update.de_json(update, None)
    except Exception as error:  # noqa: BLE001 - whatever its parser meets; never skipped without a trace
        log.error(
            "error %s: update %s cannot be read (%s) and is left out",
            secrets.token_hex(4),
            update.get("update_id"),
            type(error).__name__,
        )
        return {"update_id": update["update_id"]}
    return update
