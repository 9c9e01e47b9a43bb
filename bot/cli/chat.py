"""``tuneteller chat``: one question to a model, its answer as it comes."""

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import aclosing

import click

from bot.answering.model import ModelError, Piece, Said
from bot.cli.desk import core
from bot.cli.words import fail, perform, say, settings
from bot.commands.versions import alias_of
from bot.services.replies import FIRST_WORD_GIVEN_UP, SILENCE
from bot.settings import Settings


@click.command("chat", help=say("cli.chat.help"))
@click.argument("words", nargs=-1, required=True, metavar='[MODEL] "QUESTION"')
def command(words: tuple[str, ...]) -> None:
    """Ask."""
    model, question = (
        (words[0], " ".join(words[1:])) if len(words) > 1 and _is_model(words[0]) else ("", " ".join(words))
    )
    perform(_chat(settings(), model, question))


def _is_model(word: str) -> bool:
    return bool(re.fullmatch(r"v\d+|base|live|@.+", word))


async def _chat(chosen: Settings, model: str, question: str) -> None:
    async with core(chosen) as found:
        tuned = None if model == "base" else await found.releases.live()
        if model.startswith("v"):
            tuned = await found.releases.by_version(int(model[1:]))
        elif model.startswith("@"):
            tuned = await found.releases.named(alias_of(model))
        try:
            async with found.voices.of(tuned) as voice:
                click.secho(voice.label, dim=True, err=True)
                prompt = [Said("user", question)]
                if voice.system_prompt:
                    prompt.insert(0, Said("system", voice.system_prompt))
                await _speak(voice.model.stream(prompt, voice.sampling))
        except ModelError as error:
            fail("\n" + say(f"talk.error.{error.code}"))
        click.echo()


async def _speak(answer: AsyncGenerator[Piece]) -> None:
    """Print an answer as it comes. Raises :class:`ModelError`, also when the next word does not come."""
    heard = False
    async with aclosing(answer) as pieces:
        try:
            while True:
                async with asyncio.timeout(SILENCE if heard else FIRST_WORD_GIVEN_UP):
                    piece = await anext(pieces)
                heard = True
                click.echo(piece.text, nl=False)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise ModelError("cut_off" if heard else "no_word") from None
