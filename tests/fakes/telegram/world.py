"""Chats, people and messages of the stand-in, without HTTP."""

import asyncio
import itertools
from collections.abc import Callable
from typing import Any

from tests.fakes.telegram.people import Person
from tests.fakes.telegram.refusals import MOST_DOCUMENT, MOST_DOWNLOAD, ApiError, bad
from tests.fakes.telegram.state import Call, Draft, Group, Query, Shown, StoredFile, Updates, standing

TOKEN = "123456789:AAstand-in_token_that_is_long_enough"
FIRST_SECOND = 1_790_000_000


class World:
    """Everything that the server knows. Tests read it; ``wait_for`` tells them when it changed."""

    def __init__(self) -> None:
        self.token = TOKEN
        self.me: dict[str, Any] = {"id": 123456789, "is_bot": True, "first_name": "Tune", "username": "tune_test_bot"}
        self.people: dict[int, Person] = {}
        self.groups: dict[int, Group] = {}
        self.blocked: set[int] = set()
        self.shown: dict[int, dict[int, Shown]] = {}
        self.files: dict[str, StoredFile] = {}
        self.queries: dict[str, Query] = {}
        self.updates = Updates()
        self.timeline: list[Call] = []
        # Per scope and language.
        self.commands: dict[tuple[str, str], list[dict[str, str]]] = {}
        self.drafts: dict[int, Draft] = {}
        self.descriptions: dict[tuple[str, str], str] = {}
        self.reactions: dict[int, list[dict[str, Any]]] = {}
        self.actions: list[tuple[int, str, int | None]] = []
        self.webhook = ""
        self.most_document, self.most_download = MOST_DOCUMENT, MOST_DOWNLOAD
        self.changed = asyncio.Condition()
        self._numbers = itertools.count(1)
        self._clock = itertools.count(FIRST_SECOND)

    @property
    def now(self) -> int:
        """A moment later than all before, in seconds."""
        return next(self._clock)

    def person(self, id: int, name: str = "Ming", language: str | None = "zh") -> Person:  # noqa: A002
        """Somebody new, or the same again."""
        if id not in self.people:
            self.people[id] = Person(self, id, name, language)
        return self.people[id]

    def group(self, id: int, title: str = "Team", *topics: int) -> Group:  # noqa: A002
        """A supergroup; with topics it is a forum."""
        self.groups[id] = Group(id, title, topics=set(topics))
        self.shown.setdefault(id, {})
        return self.groups[id]

    def messages(self, chat: Person | Group | int, *, all: bool = False) -> list[Shown]:  # noqa: A002
        """What the bot shows in a chat now; with ``all``, what people wrote too."""
        number = chat if isinstance(chat, int) else chat.id
        return [message for message in self.shown.get(number, {}).values() if all or message.by_bot]

    def calls(self, method: str) -> list[Call]:
        """The calls of one method so far."""
        return [call for call in self.timeline if call.method == method]

    async def erase(self, chat: int, message: int) -> None:
        """Somebody deletes a message; the bot is not told."""
        del self.shown[chat][message]
        await self.notify()

    def expire_queries(self) -> None:
        """Make all pressed buttons too old to be answered."""
        for query in self.queries.values():
            query.expired = True

    async def wait_for(self, predicate: Callable[[], object], timeout: float = 10.0) -> None:  # noqa: ASYNC109
        """Wait until something is true of this world."""
        async with asyncio.timeout(timeout), self.changed:
            await self.changed.wait_for(lambda: bool(predicate()))

    async def notify(self) -> None:
        """Something changed."""
        async with self.changed:
            self.changed.notify_all()

    async def add_update(self, kind: str, body: dict[str, Any]) -> int:
        """Something for the bot to read."""
        update_id = self.updates.add(kind, body)
        await self.notify()
        return update_id

    def new_query(self) -> Query:
        """A button was pressed."""
        query = Query(str(next(self._numbers) + 7_000_000))
        self.queries[query.id] = query
        return query

    def store(self, path: str, data: bytes, size: int | None) -> StoredFile:
        """Keep a file that somebody sent."""
        number = next(self._numbers)
        stored = StoredFile(f"FILE{number}", f"{number}/{path}", data, len(data) if size is None else size)
        self.files[stored.id] = stored
        return stored

    def file(self, file_id: str) -> StoredFile:
        """A file to be downloaded; refused above 20 MB unless the server is a local one."""
        stored = self.files.get(file_id)
        if stored is None:
            raise bad("invalid file_id")
        if stored.size > self.most_download:
            raise bad("file is too big")
        return stored

    def chat_for_bot(self, chat_id: int, thread: int | None) -> None:
        """Whether the bot may write there."""
        if chat_id in self.blocked:
            raise ApiError(403, "Forbidden: bot was blocked by the user")
        group = self.groups.get(chat_id)
        if group is None and chat_id not in self.people:
            raise bad("chat not found")
        if group is not None and group.moved_to is not None:
            raise ApiError(
                400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=group.moved_to
            )
        if group is not None:
            _check_membership(group)
        if thread is not None and (group is None or thread not in group.topics):
            raise bad("message thread not found")
        if group is not None and thread in group.closed:
            raise bad("TOPIC_CLOSED")

    async def changes_standing(self, group: Group, member: str, by: Person) -> None:
        """Somebody makes the bot an administrator or a member of a group, restricts it, or throws it out."""
        was, group.member = group.member, member
        body = {
            "chat": self.chat(group.id),
            "from": by.user,
            "date": self.now,
            "old_chat_member": standing(self.me, was),
            "new_chat_member": standing(self.me, member),
        }
        await self.add_update("my_chat_member", body)

    async def migrates(self, group: Group, new_id: int, by: Person) -> Group:
        """A basic group becomes a supergroup with another id; both say so."""
        group.kind, group.moved_to = "group", new_id
        made = self.group(new_id, group.title)
        for chat, told in ((group.id, {"migrate_to_chat_id": new_id}), (new_id, {"migrate_from_chat_id": group.id})):
            message = self.new_message(chat, None, "")
            message.by_bot = False
            message.raw |= {"from": by.user, **told}
            await self.add_update("message", message.raw)
        return made

    def new_message(self, chat_id: int, thread: int | None, text: str) -> Shown:
        """A message with the next number of its chat."""
        chat = self.shown.setdefault(chat_id, {})
        number = max(chat, default=100) + 1
        message = Shown(number, chat_id, thread, text, [], [])
        message.raw = {"message_id": number, "date": self.now, "chat": self.chat(chat_id)}
        if thread is not None:
            message.raw |= {"message_thread_id": thread, "is_topic_message": True}
        chat[number] = message
        return message

    def chat(self, chat_id: int) -> dict[str, Any]:
        """A chat as the API writes it."""
        group = self.groups.get(chat_id)
        if group is None:
            return {"id": chat_id, "type": "private", "first_name": self.person(chat_id).name}
        return {"id": chat_id, "type": group.kind, "title": group.title, "is_forum": bool(group.topics)}


def _check_membership(group: Group) -> None:
    match group.member:
        case "kicked":
            raise ApiError(403, f"Forbidden: bot was kicked from the {group.kind} chat")
        case "left":
            raise ApiError(403, f"Forbidden: bot is not a member of the {group.kind} chat")
        case "restricted":
            raise bad("not enough rights to send text messages to the chat")
