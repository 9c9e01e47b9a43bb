"""Calls the stand-in as a program without any library would."""

import json
from typing import Any

import aiohttp

from tests.fakes.telegram.server import TelegramStandIn


class Client:
    """One method a call; values that are no text go as JSON."""

    def __init__(self, tg: TelegramStandIn, session: aiohttp.ClientSession) -> None:
        self.tg = tg
        self.session = session

    async def __call__(self, method: str, *, token: str | None = None, **parameters: Any) -> dict[str, Any]:
        """The whole answer."""
        data = {
            name: value if isinstance(value, str | bytes) else json.dumps(value) for name, value in parameters.items()
        }
        url = f"{self.tg.api_base}/bot{token or self.tg.token}/{method}"
        async with self.session.post(url, data=data) as response:
            answer: dict[str, Any] = await response.json()
            assert response.status == answer.get("error_code", 200)
            return answer

    async def refused(self, method: str, **parameters: Any) -> str:
        """The description of a refusal."""
        answer = await self(method, **parameters)
        assert answer["ok"] is False
        return str(answer["description"])

    async def works(self, method: str, **parameters: Any) -> Any:
        """The result of a success."""
        answer = await self(method, **parameters)
        assert answer["ok"] is True, answer
        return answer["result"]
