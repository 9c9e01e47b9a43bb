"""Parameters of a call as values."""

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from tests.fakes.telegram.refusals import bad, checked_keyboard, parsed

Parameters = Mapping[str, Any]


class Upload:
    """A file within a call."""

    def __init__(self, name: str, data: bytes) -> None:
        self.name = name
        self.data = data

    def __repr__(self) -> str:
        return f"Upload({self.name!r}, {len(self.data)} bytes)"


async def parameters_of(request: web.Request) -> dict[str, Any]:
    """From the address, a form, a form with files, or a JSON object: the four ways that the API takes."""
    values: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        body = await request.json()
        return values | {name: v if isinstance(v, str) else json.dumps(v) for name, v in body.items()}
    for name, value in (await request.post()).items():
        values[name] = Upload(value.filename, value.file.read()) if isinstance(value, web.FileField) else value
    return values


def number(p: Parameters, name: str) -> int:
    """A whole number that has to be there."""
    try:
        return int(p[name])
    except (KeyError, ValueError) as error:
        raise bad(f"{name} is invalid") from error


def thread_of(p: Parameters) -> int | None:
    """The topic, if one is named."""
    return number(p, "message_thread_id") if "message_thread_id" in p else None


def language_of(p: Parameters) -> str:
    """A two-letter code, empty for everybody else."""
    code: str = p.get("language_code", "")
    if code and not (len(code) == 2 and code.islower()):
        raise bad("invalid language_code specified")
    return code


def entities_of(p: Parameters, name: str) -> list[Mapping[str, Any]]:
    """Entities as they were given, unchecked."""
    if "parse_mode" in p:
        raise bad("the stand-in knows entities only, no parse_mode")
    return list(parsed(p.get(name, "[]"), name))


def keyboard_of(p: Parameters) -> list[list[dict[str, Any]]]:
    """The rows of the inline keyboard, none if there is none."""
    return checked_keyboard(parsed(p["reply_markup"], "reply_markup")) if "reply_markup" in p else []
