"""Updates by webhook: posted with the secret, repeated until a 2xx, in order within a chat, chats side by side."""

import asyncio
import re
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from tests.fakes.telegram.parameters import Parameters, number
from tests.fakes.telegram.refusals import bad, parsed
from tests.fakes.telegram.world import World

HEADER = "X-Telegram-Bot-Api-Secret-Token"
MOST_SECRET = 256
PORTS = (443, 80, 88, 8443)
# The real server waits longer with every failure; here nobody has the time.
REPEAT_SECONDS = 0.02


class Hook:
    """The webhook of one bot. ``posted`` holds (update id, status) of every delivery; 0 is no answer at all."""

    def __init__(self, world: World, *, local: bool) -> None:
        self._world = world
        self._local = local
        self._secret: str | None = None
        self._connections = 40
        self._running: asyncio.Task[None] | None = None
        self._under_way: set[int] = set()
        self.posted: list[tuple[int, int]] = []

    def set(self, p: Parameters) -> bool:
        """``setWebhook``."""
        if not p["url"]:
            return self.delete(p)
        _check_address(p["url"], local=self._local)
        secret = p.get("secret_token")
        if secret is not None and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise bad(
                "secret token contains unallowed characters" if len(secret) <= 256 else "secret token is too long"
            )
        connections = number(p, "max_connections") if "max_connections" in p else 40
        if not 1 <= connections <= (100_000 if self._local else 100):
            raise bad("max_connections is invalid")
        if "allowed_updates" in p:
            self._world.updates.allowed = parsed(p["allowed_updates"], "allowed_updates")
        if p.get("drop_pending_updates") == "true":
            self._world.updates.waiting.clear()
        self._secret, self._connections, self._world.webhook = secret, connections, p["url"]
        self.end()
        self._running = asyncio.get_running_loop().create_task(self._deliver(p["url"]))
        return True

    def delete(self, p: Parameters) -> bool:
        """``deleteWebhook``; what waits is kept unless it is to be dropped."""
        self.end()
        self._world.webhook = ""
        if p.get("drop_pending_updates") == "true":
            self._world.updates.waiting.clear()
        return True

    def info(self) -> dict[str, Any]:
        """``getWebhookInfo``."""
        made: dict[str, Any] = {
            "url": self._world.webhook,
            "has_custom_certificate": False,
            "pending_update_count": len(self._world.updates.waiting),
        }
        if self._world.webhook:
            made["max_connections"] = self._connections
            if self._world.updates.allowed:
                made["allowed_updates"] = self._world.updates.allowed
        return made

    def end(self) -> None:
        """Deliver nothing more."""
        if self._running is not None:
            self._running.cancel()
            self._running = None
        self._under_way.clear()

    async def _deliver(self, address: str) -> None:
        async with aiohttp.ClientSession() as session, asyncio.TaskGroup() as posts:
            while True:
                async with self._world.changed:
                    await self._world.changed.wait_for(self._next)
                for update in self._next():
                    self._under_way.add(update["update_id"])
                    posts.create_task(self._until_taken(session, address, update))

    def _next(self) -> list[dict[str, Any]]:
        """The first of each chat, unless one of that chat is under way."""
        first: dict[int, dict[str, Any]] = {}
        for update in self._world.updates.waiting:
            first.setdefault(_queue(update), update)
        ready = [update for update in first.values() if update["update_id"] not in self._under_way]
        return ready[: max(0, self._connections - len(self._under_way))]

    async def _until_taken(self, session: aiohttp.ClientSession, address: str, update: dict[str, Any]) -> None:
        headers = {} if self._secret is None else {HEADER: self._secret}
        while True:
            try:
                async with session.post(address, json=update, headers=headers) as response:
                    status = response.status
            except aiohttp.ClientError:
                status = 0
            self.posted.append((update["update_id"], status))
            if 200 <= status < 300:
                break
            await asyncio.sleep(REPEAT_SECONDS)
        self._under_way.discard(update["update_id"])
        self._world.updates.confirm_one(update["update_id"])
        await self._world.notify()


def _queue(update: dict[str, Any]) -> int:
    body: dict[str, Any] = next(value for name, value in update.items() if name != "update_id")
    chat = body.get("chat") or body.get("message", {}).get("chat") or body.get("from") or {}
    return int(chat.get("id", 0))


def _check_address(address: str, *, local: bool) -> None:
    parts = urlsplit(address)
    if parts.scheme not in (("http", "https") if local else ("https",)):
        raise bad("bad webhook: An HTTPS URL must be provided for webhook")
    if not parts.hostname:
        raise bad("bad webhook: invalid webhook URL specified")
    if not local and (parts.port or 443) not in PORTS:
        raise bad("bad webhook: Webhook can be set up only on ports 80, 88, 443 or 8443")
