"""``POST /upload`` and ``GET /files/…``: files in, files out."""

import errno
import re
from collections import Counter
from collections.abc import AsyncIterator
from urllib.parse import quote, unquote

from aiohttp import ClientError, web
from aiohttp.web import FileResponse

from bot.chat.content import AttachmentKind
from bot.locales import translator
from bot.platforms.web.bodies import attachment_in, clean
from bot.platforms.web.events import Reception, entry_of
from bot.platforms.web.frames import Malformed, message_id
from bot.platforms.web.guard import VISITOR, language, refusal
from bot.platforms.web.incoming import PIECE, TooLarge
from bot.platforms.web.ports import Files

LONGEST_NAME = 200
AT_ONCE = 4
_UNSAFE = re.compile(r'[\x00-\x1f\x7f/\\<>:"|?*\u202a-\u202e\u2066-\u2069]')
_DIGEST = re.compile(r"[0-9a-f]{64}")


class Uploads:
    """Takes files in, one request each, at most ``max_bytes`` bytes."""

    def __init__(self, reception: Reception, max_bytes: int) -> None:
        self._reception = reception
        self._max_bytes = max_bytes
        self._under_way: Counter[str] = Counter()

    async def receive(self, request: web.Request) -> web.StreamResponse:
        """The body is the file; its name comes percent-encoded in ``X-File-Name``, its id in ``X-Message-Id``."""
        visitor = request[VISITOR]
        if visitor is None:
            return refusal(request, 401, "web.error.signed_out")
        name = safe_name(unquote(request.headers.get("X-File-Name", "")))
        try:
            client = message_id(request.headers.get("X-Message-Id"))
        except Malformed:
            return refusal(request, 400, "web.error.request")
        if request.content_length is not None and request.content_length > self._max_bytes:
            return self._too_large(request)
        if self._under_way[visitor.room] >= AT_ONCE:
            return refusal(request, 429, "web.upload.too_many")
        self._under_way[visitor.room] += 1
        try:
            handle, size = await self._reception.incoming.receive(_pieces(request), self._max_bytes)
        except TooLarge:
            return self._too_large(request)
        except (ClientError, ConnectionError):
            # Nobody is there to read this any more; only the log of requests sees the status.
            return refusal(request, 400, "web.upload.cut")
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            return refusal(request, 507, "web.upload.no_space")
        finally:
            self._under_way[visitor.room] -= 1
            self._under_way += Counter()
        outcome = await self._reception.file(visitor, client, name, size, handle, language(request))
        if "failed" in outcome:
            return web.json_response({"error": outcome["text"]}, status=503)
        return web.json_response({"ok": True})

    def _too_large(self, request: web.Request) -> web.Response:
        return refusal(request, 413, "web.upload.too_large", limit=translator(language(request)).size(self._max_bytes))


class Downloads:
    """Gives attachments to those in whose room they were sent."""

    def __init__(self, reception: Reception, files: Files) -> None:
        self._reception = reception
        self._files = files

    async def send(self, request: web.Request) -> web.StreamResponse:
        """``GET /files/<digest>/<name>?entry=<id>``; a stranger cannot tell "not yours" from "not there"."""
        visitor = request[VISITOR]
        digest, entry_id = request.match_info["digest"], request.query.get("entry", "")
        if visitor is None or not _DIGEST.fullmatch(digest) or not re.fullmatch(r"[0-9]{1,18}", entry_id):
            raise web.HTTPNotFound
        entry = await entry_of(self._reception.log, visitor.room, int(entry_id))
        stored = attachment_in(entry.body, digest) if entry else None
        if stored is None:
            raise web.HTTPNotFound
        picture = stored.kind is AttachmentKind.PICTURE
        name = quote(safe_name(stored.name), safe="")
        return FileResponse(
            self._files.path(digest),
            headers={
                "Content-Type": stored.media_type if picture else "application/octet-stream",
                "Content-Disposition": f"{'inline' if picture else 'attachment'}; filename*=UTF-8''{name}",
                "Content-Security-Policy": "default-src 'none'; sandbox",
                # Kept by the browser, but shown only after asking whether this person may still see it.
                "Cache-Control": "private, no-cache",
            },
        )


def safe_name(name: str) -> str:
    """A file's name without folders and without what makes names lie; never empty."""
    name = clean(name).replace("\\", "/").rsplit("/", 1)[-1]
    return _UNSAFE.sub("_", name).strip(" .")[:LONGEST_NAME] or "file"


async def _pieces(request: web.Request) -> AsyncIterator[bytes]:
    async for piece in request.content.iter_chunked(PIECE):
        yield piece
