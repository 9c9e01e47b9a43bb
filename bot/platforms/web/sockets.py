"""``GET /ws``: all open pages."""

import asyncio

from aiohttp import WSCloseCode, web

from bot.platforms.web.connection import SIGNED_OUT, Connection, House
from bot.platforms.web.guard import TOKEN, VISITOR, language

HEARTBEAT_SECONDS = 25.0
LARGEST_FRAME = 128 * 1024
# A page that does not answer our good-bye within this is gone already.
CLOSE_SECONDS = 2.0


class Sockets:
    """Takes connections in and closes them all at the end."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._open: set[web.WebSocketResponse] = set()

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """One connection, until either side ends it."""
        visitor = request[VISITOR]
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_SECONDS, timeout=CLOSE_SECONDS, max_msg_size=LARGEST_FRAME)
        await socket.prepare(request)
        if visitor is None:
            # Said by a close code, because a script cannot see the status of a handshake.
            await socket.close(code=SIGNED_OUT)
            return socket
        self._open.add(socket)
        try:
            await Connection(self._house, socket, visitor, request[TOKEN], language(request)).run()
        finally:
            self._open.discard(socket)
        return socket

    async def close(self) -> None:
        """Tell all pages that we are going away; they come back by themselves. Presses may end first."""
        await asyncio.gather(*(socket.close(code=WSCloseCode.GOING_AWAY) for socket in list(self._open)))
        if self._house.presses:
            await asyncio.wait(list(self._house.presses), timeout=CLOSE_SECONDS)
