"""A bot between a scripted platform and a scripted provider, which can be killed and started again."""

import asyncio
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy.pool import AsyncAdaptedQueuePool

from bot.answering.clock import Clock
from bot.app import App
from bot.services.access import Role
from bot.settings import Settings
from finetune.providers.provider import Endpoint, Provider
from tests.fakes.platform import Chats, ScriptedPlatform, Someone
from tests.fakes.provider import ScriptedProvider, Trainings


def dataset(rows: int = 12) -> bytes:
    """A good little dataset."""
    return b"".join(
        json.dumps(
            {
                "messages": [
                    {"role": "system", "content": "You tell fortunes."},
                    {"role": "user", "content": f"Should I take road number {n}?"},
                    {"role": "assistant", "content": f"The leaves settle on the number {n}: take it slowly."},
                ]
            }
        ).encode()
        + b"\n"
        for n in range(rows)
    )


class World:
    """What never dies: the chats, the trainings, the data folder; and the bot of the moment."""

    def __init__(
        self,
        folder: Path,
        endpoint: Endpoint | None = None,
        *,
        repeatable: bool = False,
        progress: float = 0.0,
        links: str = "",
        clock: Clock | None = None,
        thoughts: bool = False,
        database: str | None = None,
        beside: "World | None" = None,
        replica: str = "one",
        lease: float = 15.0,
        at_once: int = 1,
        webhooks: str = "",
        others: Callable[[], Mapping[str, Provider]] = dict,
        questions: int = 0,
        two_people: bool = False,
        judge: bool = False,
    ) -> None:
        """``beside``: another bot of the same chats and trainings; ``replica`` and ``lease`` tell them apart."""
        self.chats: Chats = beside.chats if beside else Chats()
        self.trainings: Trainings = beside.trainings if beside else Trainings()
        self._replica = replica
        self._at_once = at_once
        self._others = others
        self.endpoint = endpoint
        self._repeatable = repeatable
        self._progress = progress
        self.settings = Settings(  # type: ignore[call-arg]
            TUNETELLER_DATA_DIR=folder,
            TUNETELLER_WEB_PORT=0,
            TUNETELLER_LINK_HOSTS=links,
            TUNETELLER_SHOW_THOUGHTS=thoughts,
            TUNETELLER_LEASE_SECONDS=lease,
            TUNETELLER_WEBHOOK_HOSTS=webhooks,
            TUNETELLER_EVALUATION_QUESTIONS=questions,
            TUNETELLER_TWO_PEOPLE=two_people,
            TUNETELLER_JUDGE_URL=endpoint.base_url if judge and endpoint else None,
            TUNETELLER_JUDGE_MODEL="judge" if judge else "",
            TUNETELLER_JUDGE_KEY=SecretStr(endpoint.api_key) if judge and endpoint else None,
            DATABASE_URL=None if database is None else SecretStr(database),
        )
        self._clock = clock
        self.app: App | None = None
        self.platform: ScriptedPlatform | None = None

    async def start(self) -> None:
        """Start a bot."""
        self.platform = ScriptedPlatform(self.chats, repeatable=self._repeatable, progress=self._progress)
        provider = ScriptedProvider(self.trainings, self.endpoint)
        self.app = App(
            self.settings,
            {provider.name: provider, **self._others()},
            [self.platform],
            watch_period=0.02,
            clock=self._clock,
            at_once={provider.name: self._at_once},
            replica=self._replica,
        )
        await self.app.start()

    async def kill(self) -> None:
        """End the bot as a power cut would: no farewell of ours runs, only sockets and tasks are taken away.

        Between two transactions: inside of one the database itself takes it back when a process dies, which a
        cancelled task in a living process cannot show (tests/e2e kills real processes).
        """
        assert self.app is not None
        me = asyncio.current_task()
        pool = self.app.core.database._engine.pool
        assert isinstance(pool, AsyncAdaptedQueuePool)
        while pool.checkedout():  # noqa: ASYNC110 - the pool has no event to wait for
            await asyncio.sleep(0)
        tasks = [task for task in asyncio.all_tasks() if task is not me]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.app.web.stop()
        await self.app.core.close()
        self.app = None

    async def stop(self) -> None:
        """End the bot politely."""
        if self.app is not None:
            await self.app.stop()
            self.app = None

    async def owner(self, name: str = "ann", language: str | None = "en") -> Someone:
        """Somebody who redeemed the owner's code."""
        assert self.app is not None
        assert self.platform is not None
        person = Someone(self.platform, name, language)
        code = await self.app.core.access.issue_owner_code(None)
        assert code is not None
        before = len(self.chats.messages)
        await person.says(f"/start {code}")
        await self.chats.until(lambda: len(self.chats.messages) > before)
        return person

    async def joined(self, name: str, role: Role) -> Someone:
        """Somebody who was invited with a role and came."""
        assert self.app is not None
        person, before = self.someone(name), len(self.chats.messages)
        await person.says(f"/start {await self.app.core.access.invite(role)}")
        await self.chats.more_than(before)
        return person

    def someone(self, name: str, language: str | None = "en") -> Someone:
        """A person who may be a stranger."""
        assert self.platform is not None
        return Someone(self.platform, name, language)

    async def uploaded(self, person: Someone, data: bytes | None = None) -> None:
        """A dataset that is ready."""
        await person.sends("teller.jsonl", dataset() if data is None else data)
        await self.chats.until(lambda: "/ds_" in self.chats.text())

    async def running(self, person: Someone) -> None:
        """A dataset is there and its training runs."""
        await self.uploaded(person)
        await person.says("/train")
        await self.chats.until(lambda: "label='Start'" in self.chats.text())
        await person.presses("Start")
        await self.chats.until(lambda: self.trainings.started and "· training'" in self.chats.text())

    def titles(self, word: str) -> list[str]:
        """Titles of all cards that have this word."""
        return [card.title for card in self.chats.cards() if word in card.title]
