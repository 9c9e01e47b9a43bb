"""The page's own files, read once: scripts, styles, the logo, and the two HTML shells around them."""

import hashlib
from collections.abc import Mapping
from html import escape
from importlib import resources
from importlib.resources.abc import Traversable

import orjson
from aiohttp import web

from bot.locales import LANGUAGES, phrases

_TYPES = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_FOLDER = "page"


class Assets:
    """All files in memory. ``build`` is the hash over them and part of their address, so they never go stale."""

    def __init__(self) -> None:
        root = resources.files(__package__).joinpath(_FOLDER)
        self._files = dict(_walk(root, ""))
        digest = hashlib.sha256()
        for name, data in sorted(self._files.items()):
            digest.update(name.encode() + b"\0" + data + b"\0")
        self.build = digest.hexdigest()[:16]
        self._phrases = phrases("web.")

    def shell(self, name: str, language: str, config: Mapping[str, object]) -> web.Response:
        """One of the HTML pages with what its script needs to know, as JSON that no browser takes for a script."""
        everything = {"build": self.build, "languages": LANGUAGES, "phrases": self._phrases, **config}
        # Inside a script element only "<" could end the element.
        block = orjson.dumps(everything).decode().replace("<", "\\u003c")
        html = self._files[f"{name}.html"].decode()
        html = html.replace("{{language}}", escape(language)).replace("{{assets}}", f"/static/{self.build}")
        return web.Response(text=html.replace("{{config}}", block), content_type="text/html")

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """``GET /static/<build>/<name>``."""
        name = request.match_info["name"]
        kind = _TYPES.get("." + name.rsplit(".", 1)[-1])
        if kind is None or name not in self._files or request.match_info["build"] != self.build:
            raise web.HTTPNotFound
        headers = {"Cache-Control": "public, max-age=31536000, immutable"}
        return web.Response(body=self._files[name], content_type=kind, charset="utf-8", headers=headers)


def _walk(folder: Traversable, prefix: str) -> list[tuple[str, bytes]]:
    found: list[tuple[str, bytes]] = []
    for entry in folder.iterdir():
        if entry.is_dir():
            found += _walk(entry, f"{prefix}{entry.name}/")
        else:
            found.append((prefix + entry.name, entry.read_bytes()))
    return found
