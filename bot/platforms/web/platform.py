"""The web page as a chat platform."""

import errno
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

from bot.chat.content import Answer, Content, MenuEntry
from bot.chat.errors import UserError, Vanished
from bot.chat.events import Deliver, Upload
from bot.chat.places import MessageRef, Place
from bot.chat.platform import Extent, Limits
from bot.platforms.web.assets import Assets
from bot.platforms.web.attempts import Attempts
from bot.platforms.web.bodies import Body, StoredAttachment, answer_body, card_body, is_preview
from bot.platforms.web.connection import House
from bot.platforms.web.events import NAME, Reception, entry_of
from bot.platforms.web.frames import LONGEST_TEXT
from bot.platforms.web.guard import Guard
from bot.platforms.web.incoming import Incoming
from bot.platforms.web.menu import menu_for
from bot.platforms.web.ports import Door, Entry, Files, MessageLog, Probes, Reports, Visitor
from bot.platforms.web.rooms import Rooms
from bot.platforms.web.server import Server
from bot.platforms.web.sessions import Sessions
from bot.platforms.web.sockets import Sockets
from bot.platforms.web.uploads import Downloads, Uploads

TYPING_SECONDS = 6
SIGN_INS = 10
SIGN_IN_WINDOW_SECONDS = 60.0


class WebPlatform:
    """Implements :class:`bot.chat.platform.Platform`.

    ``public_url`` is the address that people use when a proxy stands before us (``https://chat.example.org``).
    ``shared``: other processes open the page of the same rooms, and receive files into the same folder.
    """

    name = NAME

    def __init__(
        self,
        host: str,
        port: int,
        *,
        door: Door,
        log: MessageLog,
        files: Files,
        probes: Probes,
        incoming: Path,
        menu: Sequence[MenuEntry],
        max_upload_bytes: int,
        public_url: str = "",
        shared: bool = False,
        reports: Reports | None = None,
    ) -> None:
        self.limits = Limits(
            text_units=LONGEST_TEXT,
            private_interval=0.1,
            group_interval=0.1,
            calls_per_second=200,
            upload_bytes=max_upload_bytes,
            private_progress=0.5,
            group_progress=0.5,
            private_placeholder=0.0,
            group_placeholder=0.0,
            first_units=1,
            jitter=0.0,
            repeatable_sends=True,
        )
        self._log = log
        self._files = files
        self._menu = tuple(menu)
        self._rooms = Rooms()
        self._incoming = Incoming(incoming, shared=shared)
        self._reception = Reception(log, self._rooms, self._incoming)
        self._assets = Assets()
        guard = Guard(door, host, public_url)
        attempts = Attempts(SIGN_INS, SIGN_IN_WINDOW_SECONDS, time.monotonic)
        self._server = Server(
            host,
            port,
            guard=guard,
            assets=self._assets,
            probes=probes,
            sessions=Sessions(door, guard, attempts),
            sockets=Sockets(House(door, log, self._rooms, self._reception, self._hello, set())),
            uploads=Uploads(self._reception, max_upload_bytes),
            downloads=Downloads(self._reception, files),
            max_upload_bytes=max_upload_bytes,
            reports=reports,
        )

    @property
    def address(self) -> str:
        """Where the page is, once started: ``http://127.0.0.1:8080``."""
        return self._server.address

    async def start(self, deliver: Deliver) -> None:
        """Open the page. Raises ``UserError`` (``port_taken``, ``host_unknown``)."""
        await self._incoming.prepare()
        self._reception.deliver = deliver
        try:
            await self._server.start()
        except OSError as error:
            await self.stop()
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                raise UserError("port_taken", port=str(self._server.port)) from error
            raise UserError("host_unknown", host=self._server.host) from error

    async def quiet(self) -> None:
        """Open pages stay, to see the last words; what they send is stored, and handled after the restart."""

    async def stop(self) -> None:
        """Close all pages and the port; a page comes back by itself when we do."""
        self._reception.deliver = None
        await self._server.stop()

    async def send(self, place: Place, content: Content, *, key: str, reply_to: MessageRef | None = None) -> MessageRef:
        """Append to the room's log; the same key again is the same message."""
        body, extra = _body(content), await self._attached(content)
        if reply_to is not None and reply_to.id.isdecimal() and reply_to.id != "0":
            extra["reply_to"] = int(reply_to.id)
        entry = await self._log.append(place.chat, "bot", {**body, **extra}, f"{place.chat}:out:{key}")
        self._rooms.changed(place.chat)
        if is_preview(body) and is_preview(entry.body):
            self._rooms.preview(place.chat, entry.id, body)
        return MessageRef(place, str(entry.id))

    async def edit(self, ref: MessageRef, content: Content) -> None:
        """A preview is only shown; everything else is stored. Raises ``Vanished``."""
        room, body = ref.place.chat, _body(content)
        number = int(ref.id) if ref.id.isdecimal() else 0
        if is_preview(body) and number in self._rooms.previews(room):
            self._rooms.preview(room, number, body)
            return
        entry = await entry_of(self._log, room, number)
        if entry is None:
            raise Vanished(ref.id)
        if is_preview(body):
            self._rooms.preview(room, number, body)
            return
        await self._store(room, entry, body)
        self._rooms.settle(room, number)

    def changed(self, room: str) -> None:
        """Another process has stored something in a room."""
        self._rooms.changed(room)

    def measure(self, text: str) -> Extent:
        """The page shows a text in the room of its source, with any number of marks."""
        return Extent(len(text.encode("utf-16-le", "surrogatepass")) // 2, 0)

    def fetch(self, upload: Upload) -> AsyncIterator[bytes]:
        """The bytes of a file that a person sent, in pieces. Raises ``Vanished`` or ``Unavailable``."""
        return self._incoming.read(upload.handle)

    async def typing(self, place: Place) -> None:
        """Show it to whoever looks."""
        self._rooms.push(place.chat, {"typing": TYPING_SECONDS})

    async def _store(self, room: str, entry: Entry, body: Body) -> None:
        kept = {name: entry.body[name] for name in ("reply_to", "attachments") if name in entry.body}
        revised = {**body, **kept}
        if revised == dict(entry.body):
            return
        try:
            await self._log.revise(room, entry.id, revised)
        except KeyError as error:
            raise Vanished(str(entry.id)) from error

    async def _attached(self, content: Content) -> Body:
        if isinstance(content, Answer) or not content.attachments:
            return {}
        stored = [StoredAttachment.of(item, await self._files.put(item.data)) for item in content.attachments]
        return {"attachments": [item.body() for item in stored]}

    def _hello(self, visitor: Visitor) -> Mapping[str, object]:
        return {
            "hello": {
                "build": self._assets.build,
                "name": visitor.name,
                "role": visitor.role,
                "language": visitor.language,
                "menu": menu_for(self._menu, visitor.role),
            }
        }


def _body(content: Content) -> Body:
    return answer_body(content) if isinstance(content, Answer) else card_body(content)
