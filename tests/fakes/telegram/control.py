"""The stand-in as a process of its own: other programs steer it and read its timeline over HTTP.

Every answer is JSON; ``POST`` takes a JSON object. What cannot be done is answered 400 with ``{"error": …}``.

========================= ============================================================================================
``POST /control/people``   ``{"id", "name"?, "language"?}``
``POST /control/groups``   ``{"id", "title"?, "topics"?}``; ids of groups are negative
``POST /control/say``      ``{"person", "text", "chat"?, "thread"?, "reply_to"?}`` gives ``{"message"}``
``POST /control/edit``     ``{"person", "message", "text", "chat"?}``
``POST /control/press``    ``{"person", "message", "button", "chat"?}``: a label or its data; gives ``{"query"}``
``POST /control/erase``    ``{"person", "message", "chat"?}``: deletes a message, the bot's too
``POST /control/block``    ``{"person", "blocked"?}``: blocks the bot, or lets it in again
``POST /control/flood``    fields of :class:`tests.fakes.telegram.flood.Rules`, or ``{"off": true}``; begins anew
``GET /control/timeline``  ``?since=0`` (an index) ``&text=1``: ``{"now", "next", "calls"}``
``GET /control/messages``  ``?chat=1``: what the bot shows there now
``POST /control/latency``  ``{"seconds"}``: what every call takes on its way
``POST /control/trouble``  ``{"method", "trouble", "times"?, …}``: what happens to the next calls of a method;
                           ``throttle`` (``retry_after``), ``failure`` (``code``, ``description``), ``html``
                           (``status``?), ``broken_json`` (``body``?), ``drop_before``, ``drop_after``, ``slow``
                           (``seconds``)
``POST /control/reset``    forgets the timeline
========================= ============================================================================================
"""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from tests.fakes.telegram.flood import Flood, Rules
from tests.fakes.telegram.people import Person
from tests.fakes.telegram.refusals import units
from tests.fakes.telegram.server import TelegramStandIn
from tests.fakes.telegram.state import Call, Group, Shown
from tests.fakes.telegram.troubles import (
    BrokenJson,
    DropAfter,
    DropBefore,
    Failure,
    HtmlPage,
    Slow,
    Throttle,
    Trouble,
)

Asked = dict[str, Any]
TROUBLES: dict[str, Callable[..., Trouble]] = {
    "throttle": Throttle,
    "failure": Failure,
    "html": HtmlPage,
    "broken_json": BrokenJson,
    "drop_before": DropBefore,
    "drop_after": DropAfter,
    "slow": Slow,
}


class ControlledStandIn(TelegramStandIn):
    """A stand-in with a control endpoint beside the bot's paths."""

    def extra_routes(self) -> list[web.RouteDef]:
        """The control endpoint."""
        posts: dict[str, Callable[[Asked], Awaitable[Asked]]] = {
            "people": self._add_person,
            "groups": self._add_group,
            "say": self._say,
            "edit": self._edit,
            "press": self._press,
            "erase": self._erase,
            "block": self._block,
            "flood": self._set_flood,
            "latency": self._set_latency,
            "trouble": self._make_trouble,
            "reset": self._reset,
        }
        return [
            *(web.post(f"/control/{name}", _posted(act)) for name, act in posts.items()),
            web.get("/control/timeline", self._timeline),
            web.get("/control/messages", self._messages),
        ]

    async def _add_person(self, asked: Asked) -> Asked:
        person = self.person(int(asked["id"]), asked.get("name", "Ming"), asked.get("language", "en"))
        return {"id": person.id}

    async def _add_group(self, asked: Asked) -> Asked:
        return {"id": self.group(int(asked["id"]), asked.get("title", "Team"), *asked.get("topics", ())).id}

    async def _say(self, asked: Asked) -> Asked:
        reply_to = self._shown(asked, asked["reply_to"]) if "reply_to" in asked else None
        person, chat = self._who(asked), self._where(asked)
        message = await person.says(asked["text"], chat, thread=asked.get("thread"), reply_to=reply_to)
        return {"message": message.id}

    async def _edit(self, asked: Asked) -> Asked:
        await self._who(asked).edits(self._shown(asked, asked["message"]), asked["text"])
        return {}

    async def _press(self, asked: Asked) -> Asked:
        query = await self._who(asked).presses(self._shown(asked, asked["message"]), asked["button"])
        return {"query": query.id}

    async def _erase(self, asked: Asked) -> Asked:
        message = self._shown(asked, asked["message"])
        await self.erase(message.chat, message.id)
        return {}

    async def _block(self, asked: Asked) -> Asked:
        person = self._who(asked)
        await (person.blocks() if asked.get("blocked", True) else person.unblocks())
        return {}

    async def _set_flood(self, asked: Asked) -> Asked:
        self.flood = None if asked.get("off") else Flood(Rules(**asked))
        return {}

    async def _set_latency(self, asked: Asked) -> Asked:
        self.latency = float(asked["seconds"])
        return {}

    async def _make_trouble(self, asked: Asked) -> Asked:
        fields = {name: value for name, value in asked.items() if name not in ("method", "trouble", "times")}
        kind = TROUBLES[asked["trouble"]]
        self.next(asked["method"], *(kind(**fields) for _ in range(asked.get("times", 1))))
        return {}

    async def _reset(self, _: Asked) -> Asked:
        self.timeline.clear()
        return {}

    async def _timeline(self, request: web.Request) -> web.Response:
        since, with_text = int(request.query.get("since", 0)), request.query.get("text", "1") == "1"
        calls = [_written(call, with_text=with_text) for call in self.timeline[since:]]
        return web.json_response({"now": time.monotonic(), "next": since + len(calls), "calls": calls})

    async def _messages(self, request: web.Request) -> web.Response:
        shown = self.messages(int(request.query["chat"]))
        return web.json_response({"messages": [_looked_at(message) for message in shown]})

    def _who(self, asked: Asked) -> Person:
        return self.people[int(asked["person"])]

    def _where(self, asked: Asked) -> Group | None:
        return self.groups[int(asked["chat"])] if "chat" in asked and asked["chat"] != asked["person"] else None

    def _shown(self, asked: Asked, message: int) -> Shown:
        chat = asked["chat"] if "chat" in asked else asked["person"]
        return self.shown[int(chat)][message]


def _posted(act: Callable[[Asked], Awaitable[Asked]]) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def handle(request: web.Request) -> web.Response:
        try:
            return web.json_response(await act(await request.json()))
        except (KeyError, TypeError, ValueError, AssertionError, json.JSONDecodeError) as error:
            return web.json_response({"error": f"{type(error).__name__}: {error}"}, status=400)

    return handle


def _written(call: Call, *, with_text: bool) -> Asked:
    made: Asked = {
        "method": call.method,
        "chat": call.chat,
        "message": call.message,
        "units": None if call.text is None else len(units(call.text)),
        "outcome": call.outcome,
        "verdict": call.verdict,
        "retry_after": call.retry_after,
        "arrived": call.arrived,
        "answered": call.answered,
    }
    return made | {"text": call.text} if with_text else made


def _looked_at(message: Shown) -> Asked:
    return {
        "message": message.id,
        "thread": message.thread,
        "text": message.text,
        "labels": message.labels,
        "reply_to": message.reply_to,
        "edits": len(message.edits),
    }
