"""Coming in and going out."""

import math
import unicodedata

import orjson
from aiohttp import web

from bot.chat.errors import UserError
from bot.locales import translator
from bot.platforms.web.attempts import Attempts
from bot.platforms.web.bodies import clean
from bot.platforms.web.guard import TOKEN, Guard, language, refusal
from bot.platforms.web.ports import Door

# The door ends sessions; the cookie only has to last as long as any of them may.
COOKIE_SECONDS = 365 * 24 * 3600
LONGEST_CODE = 200
LONGEST_NAME = 64


class Sessions:
    """``POST /sign-in`` and ``POST /sign-out``."""

    def __init__(self, door: Door, guard: Guard, attempts: Attempts) -> None:
        self._door = door
        self._guard = guard
        self._attempts = attempts

    async def sign_in(self, request: web.Request) -> web.StreamResponse:
        """A code and a name for a session. Every refusal has the same shape."""
        wait = self._attempts.wait(request.remote or "")
        if wait:
            response = refusal(request, 429, "web.sign_in.too_often", n=math.ceil(wait))
            response.headers["Retry-After"] = str(math.ceil(wait))
            return response
        try:
            form = orjson.loads(await request.read())
            code, name = clean(form["code"]).strip(), _readable(form["name"])
        except (ValueError, TypeError, KeyError, AttributeError):
            return refusal(request, 400, "web.error.request")
        if not code or len(code) > LONGEST_CODE:
            return refusal(request, 400, "web.sign_in.code_missing")
        if not name:
            return refusal(request, 400, "web.sign_in.name_missing")
        try:
            token = await self._door.redeem(code, name, language(request))
        except UserError as error:
            return web.json_response({"error": sentence(language(request), error)}, status=403)
        response = web.json_response({"ok": True})
        response.set_cookie(
            self._guard.cookie,
            token,
            max_age=COOKIE_SECONDS,
            path="/",
            httponly=True,
            samesite="Strict",
            secure=self._guard.secure,
        )
        return response

    async def sign_out(self, request: web.Request) -> web.StreamResponse:
        """End the session here and at the door."""
        if request[TOKEN]:
            await self._door.leave(request[TOKEN])
        response = web.json_response({"ok": True})
        response.del_cookie(self._guard.cookie, path="/", httponly=True, samesite="Strict", secure=self._guard.secure)
        return response


def sentence(language: str, error: UserError) -> str:
    """What a person is told of an error of theirs."""
    say = translator(language)
    key = f"error.{error.key}"
    return say(key, **error.fields) if say.has(key) else say("web.error.refused")


def _readable(name: str) -> str:
    """A name of one line without control characters, at most 64 characters long."""
    kept = "".join(" " if unicodedata.category(char)[0] in "CZ" else char for char in clean(name))
    return " ".join(kept.split())[:LONGEST_NAME]
