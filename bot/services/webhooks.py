"""Notices to people's own addresses, signed as Standard Webhooks has it (standardwebhooks.com).

A notice has the same id however often it is posted: its receiver recognises a repeat.
"""

import base64
import hashlib
import hmac
import ipaddress
import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from standardwebhooks import Webhook
from yarl import URL

from bot.chat.errors import Refused, Throttled, Unavailable
from storage.database import Database
from storage.repositories import settings

_SECRET = "webhooks.secret"  # noqa: S105 - the name of the setting, not its value
_SECONDS = 15
_GONE = 410


class _Private(OSError):
    """An address in a network that only this machine reaches."""


class _PublicOnly(AbstractResolver):
    """Resolves names, but not to addresses of this machine or its network: whoever names an address is not trusted."""

    def __init__(self, allowed: frozenset[str]) -> None:
        self._allowed = allowed
        self._inner = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        if host.lower() in self._allowed or f"{host.lower()}:{port}" in self._allowed:
            return found
        public = [each for each in found if ipaddress.ip_address(each["host"]).is_global]
        if not public:
            raise _Private(host)
        return public

    async def close(self) -> None:
        await self._inner.close()


class Webhooks:
    """Posts notices. ``hosts`` are those that may lie in a private network."""

    def __init__(self, database: Database, hosts: Sequence[str]) -> None:
        self._database = database
        self._hosts = frozenset(host.lower() for host in hosts)

    async def secret(self, person_id: int) -> str:
        """With what a person checks that a post is this bot's (``whsec_…``): the same for all their addresses."""
        async with self._database.transaction() as session:
            master = await settings.first(session, _SECRET, secrets.token_hex(32))
        key = hmac.new(bytes.fromhex(master), f"webhook of person {person_id}".encode(), hashlib.sha256).digest()
        return "whsec_" + base64.b64encode(key).decode()

    async def post(self, address: str, person_id: int, name: str, kind: str, data: Mapping[str, Any]) -> None:
        """Post once. ``name`` is the same whenever this very notice is posted again.

        Raises ``Unavailable`` and ``Throttled`` ("try again later"), ``Refused`` (it is gone, or must not be reached).
        """
        at = datetime.now(UTC)
        body = json.dumps({"type": kind, "timestamp": at.isoformat(), "data": dict(data)}, ensure_ascii=False)
        signature = Webhook(await self.secret(person_id)).sign(msg_id=name, timestamp=at, data=body)
        headers = {
            "content-type": "application/json",
            "webhook-id": name,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": signature,
        }
        self._check(address)
        connector = aiohttp.TCPConnector(resolver=_PublicOnly(self._hosts))
        timeout = aiohttp.ClientTimeout(_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout) as session,
                session.post(address, data=body.encode(), headers=headers, allow_redirects=False) as response,
            ):
                status = response.status
                after = response.headers.get("Retry-After", "")
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if isinstance(error, _Private) or isinstance(getattr(error, "os_error", None), _Private):
                raise Refused("a private network") from error
            raise Unavailable(type(error).__name__) from error
        if status == _GONE:
            raise Refused("gone")
        if status == 429 and after.isdecimal():
            raise Throttled(float(after))
        if not 200 <= status < 300:
            raise Unavailable(f"HTTP {status}")

    def _check(self, address: str) -> None:
        """An address that is no name is never resolved: refuse it here."""
        where = URL(address)
        host = where.host or ""
        try:
            number = ipaddress.ip_address(host)
        except ValueError:
            return
        if not number.is_global and host not in self._hosts and f"{host}:{where.port}" not in self._hosts:
            raise Refused("a private network")
