"""A question on the command line: words as they come, and an end when none come."""

import asyncio

import pytest
import uvloop

from bot.answering.model import ModelError, Said
from bot.answering.openai_model import OpenAIModel, client_of
from bot.cli import chat
from bot.cli.words import perform
from tests.fakes.model import ModelStandIn, model_stand_in


async def _ask(model: ModelStandIn) -> None:
    async with client_of(model.endpoint.base_url, model.endpoint.api_key) as client:
        await chat._speak(OpenAIModel(client, model.endpoint.model, {}).stream([Said("user", "Well?")], {}))


async def test_words_are_printed_as_they_come(capsys: pytest.CaptureFixture[str]) -> None:
    async with model_stand_in() as model:
        await _ask(model)
    assert capsys.readouterr().out == "The tea leaves settle."


async def test_a_model_that_says_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chat, "FIRST_WORD_GIVEN_UP", 0.2)
    async with model_stand_in() as model:
        model.silent = asyncio.Event()
        with pytest.raises(ModelError, match="no_word"):
            await _ask(model)
        await asyncio.wait_for(model.left.wait(), 10)


async def test_a_model_that_falls_silent_is_left(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(chat, "SILENCE", 0.2)
    async with model_stand_in() as model:
        model.hold = asyncio.Event()
        with pytest.raises(ModelError, match="cut_off"):
            await _ask(model)
        await asyncio.wait_for(model.left.wait(), 10)
    assert capsys.readouterr().out == "The tea leaves "


def test_commands_run_on_the_quick_loop() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert isinstance(perform(loop()), uvloop.Loop)
