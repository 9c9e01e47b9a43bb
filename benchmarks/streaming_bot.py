"""The bot itself on a model server: ``python -m benchmarks.streaming_bot MODEL_ADDRESS TOKENS PEOPLE GROUPS``, and
``discord`` at the end for people there, whose direct messages have the ids of :func:`channel_of`.

Everything is what ``tuneteller run`` starts, but for who serves the model; people and groups are made known first, as
if they had been talked to before. Prints a line when it is ready, ends when standard input does.
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

import uvloop

from bot.app import App
from bot.settings import read
from finetune.errors import ProviderError
from finetune.parameters import Range, ranges
from finetune.providers.provider import Base, Endpoint, FineTune, Plan, Status
from storage.database import Database
from storage.repositories import conversations, people


class Served:
    """A provider that only serves one model."""

    name = "served"

    def __init__(self, address: str, tokens: int) -> None:
        self.bases: Sequence[Base] = (
            Base("served/schedule", "Schedule", 32_768, "MIT", ("en",), {}, {"max_tokens": tokens}),
        )
        self.ranges: Mapping[str, Range] = ranges()
        self._address = address

    @asynccontextmanager
    async def endpoint(self, model: str) -> AsyncIterator[Endpoint]:
        """Where it is."""
        yield Endpoint(f"{self._address}/v1", "none", model, 32_768)

    async def plan(self, job: FineTune) -> Plan:
        raise ProviderError("provider_off", provider=self.name)

    async def submit(self, job: FineTune, attempt: int) -> str:
        raise ProviderError("provider_off", provider=self.name)

    async def status(self, handle: str) -> Status:
        raise ProviderError("provider_off", provider=self.name)

    async def log(self, handle: str) -> bytes:
        raise ProviderError("provider_off", provider=self.name)

    async def cancel(self, handle: str) -> None:
        raise ProviderError("provider_off", provider=self.name)


def channel_of(number: int) -> str:
    """A person's channel of direct messages on Discord."""
    return str(10**17 + number)


async def _introduce(database: Database, persons: range, groups: range, platform: str) -> None:
    await database.migrate()
    async with database.transaction() as session:
        for number in persons:
            person = await people.create(session, f"Person {number}", "user", "en")
            await people.link(session, person.id, platform, str(number))
            chat = channel_of(number) if platform == "discord" else str(number)
            talk = await conversations.at(session, platform, chat, "", "private")
            talk.base_told = True
        for number in groups:
            talk = await conversations.at(session, "telegram", str(-number), "", "group")
            talk.base_told = True


async def main(address: str, tokens: int, persons: int, groups: int, platform: str) -> None:
    """Run until standard input ends."""
    settings = read()
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url)
    await _introduce(database, range(1, persons + 1), range(1, groups + 1), platform)
    await database.close()
    provider = Served(address, tokens)
    app = App(settings, {provider.name: provider})
    await app.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await app.stop()


if __name__ == "__main__":
    uvloop.run(
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), "".join(sys.argv[5:]) or "telegram")
    )
