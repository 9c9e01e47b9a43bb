"""Which command a text means, as phones send it."""

import pytest

from bot.commands.registry import Command, Registry
from bot.services.access import Role


async def nothing(*_: object) -> None:
    """Never called."""


REGISTRY = Registry((Command("ask", Role.USER, nothing), Command("ds", Role.TRAINER, nothing, item=True)), ())


@pytest.mark.parametrize(
    ("text", "name", "arguments"),
    [
        ("/ask who", "ask", "who"),
        ("／ask who", "ask", "who"),
        ("\u200b /ask who", "ask", "who"),
        ("/ask\u200b who", "ask", "who"),
        ("/ASK\nwho", "ask", "who"),
        ("/ds_３", "ds", "3"),
        ("/ask “who” ３ 👩\u200d🚀", "ask", "“who” ３ 👩\u200d🚀"),
    ],
)
def test_a_command_as_a_phone_sends_it(text: str, name: str, arguments: str) -> None:
    found = REGISTRY.find(text)
    assert found is not None
    assert found[0] is REGISTRY.commands[name]
    assert found[1] == arguments


@pytest.mark.parametrize("text", ["", " ", "\u200b", "ask who", "“/ask” is a command", "1/2", "/", "//"])
def test_what_is_no_command(text: str) -> None:
    assert REGISTRY.find(text) is None
