"""What stands above the platform in its tests: a memory of channels, what completes a word, pauses without time."""

import asyncio
from collections.abc import Mapping, Sequence

from bot.chat.content import MenuEntry, Option, OptionKind
from bot.chat.places import Account, Place, PlaceKind
from bot.platforms.discord import Known
from bot.platforms.discord.gateway import Turn, always
from bot.platforms.discord.platform import DiscordPlatform
from tests.fakes.discord import Channel, DiscordStandIn

MENU = (
    MenuEntry(
        "train",
        "trainer",
        "[N] [flags]",
        {"zh": "开始训练", "en": "Start training"},
        (
            Option("dataset", completes="datasets", descriptions={"en": "Which", "zh": "哪个"}),
            Option("preset", form="--preset {}", choices=("standard", "quality")),
            Option("epochs", OptionKind.WHOLE, "--epochs {}", least=1, most=10),
            Option("lr", OptionKind.NUMBER, "--lr {}", least=0, most=0.1),
            Option("val", OptionKind.PERCENT, "--val {}%", least=0, most=50),
            Option("name", form="--name {}"),
            Option("yes", OptionKind.SWITCH, "--yes"),
        ),
    ),
    MenuEntry("ask", "user", "…", {"zh": "提问", "en": "Ask"}, (Option("question", required=True),)),
    MenuEntry("datasets", "trainer", "", {"zh": "数据集", "en": "Datasets"}, (Option("one", form="/ds_{}"),)),
    MenuEntry("whoami", "guest", "", {"zh": "我是谁", "en": "Who am I"}, personal=True),
    MenuEntry("invite", "admin", "[role]", {"zh": "邀请", "en": "Invite"}),
)


class Memory:
    """Implements ``ChannelStore``; outlives the platforms of a test."""

    def __init__(self) -> None:
        self.channels: dict[str, Known] = {}
        self.anchors: dict[str, str] = {}

    async def known(self) -> Sequence[Known]:
        return sorted(self.channels.values(), key=lambda known: -known.seen)

    async def saw(self, channel: str, guild: str, seen: int) -> None:
        before = self.channels.get(channel, Known(channel, guild, 0, True))
        self.channels[channel] = Known(channel, guild, max(seen, before.seen), before.open)

    async def opened(self, channel: str, open: bool) -> None:  # noqa: A002 - the port's name
        before = self.channels[channel]
        self.channels[channel] = Known(channel, before.guild, before.seen, open)

    async def anchor(self, interaction: str) -> str | None:
        return self.anchors.get(interaction)

    async def anchored(self, interaction: str, message: str) -> None:
        self.anchors[interaction] = message


class Completes:
    """Implements ``Completion`` with the numbers 1 to 3, for those who begin so."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, str]] = []

    async def complete(self, account: Account, kind: str, typed: str) -> Sequence[tuple[str, str]]:
        self.asked.append((account.id, kind, typed))
        return [(f"{number} · teller", number) for number in ("1", "2", "3") if number.startswith(typed)]


class Pauses:
    """Records how long the platform would have waited."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._changed = asyncio.Condition()

    async def __call__(self, seconds: float) -> None:
        async with self._changed:
            self.seconds.append(seconds)
            self._changed.notify_all()
        await asyncio.sleep(0)

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10), self._changed:
            await self._changed.wait_for(lambda: len(self.seconds) >= count)


def platform_for(
    discord: DiscordStandIn,
    memory: Memory | None = None,
    pauses: Pauses | None = None,
    roles: Mapping[str, str] | None = None,
    completion: Completes | None = None,
    token: str | None = None,
    turn: Turn = always,
) -> DiscordPlatform:
    return DiscordPlatform(
        token or discord.token,
        api_base=discord.api_base,
        menu=MENU,
        store=memory or Memory(),
        completion=completion or Completes(),
        most_upload=50_000_000,
        roles=roles,
        pause=pauses or Pauses(),
        turn=turn,
    )


def place(channel: Channel) -> Place:
    return Place("discord", channel.id, kind=PlaceKind.GROUP if channel.guild else PlaceKind.PRIVATE)
