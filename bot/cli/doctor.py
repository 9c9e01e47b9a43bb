"""``tuneteller doctor``: what is there, what is missing, and the command that brings it. Prints no secrets."""

import importlib.util
import platform
import shutil
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import click

from bot.cli import providers
from bot.cli.checks import Check
from bot.cli.words import perform, say, settings
from bot.platforms.telegram.check import bot_name
from bot.settings import Settings
from bot.version import version
from finetune.errors import FineTuneError
from finetune.providers.local import bases
from storage.database import Database, DatabaseProblem
from storage.lock import FolderInUse, FolderLock

_ROOM = 2_000_000_000  # bytes that a training with its checkpoints may need


@click.command("doctor", help=say("cli.doctor.help"))
@click.option("--provider", help=say("cli.doctor.provider"))
@click.option("--live", is_flag=True, help=say("cli.doctor.live"))
def command(provider: str | None, live: bool) -> None:
    """Look at everything; exit 1 if something must be mended."""
    chosen = settings()
    if provider is not None or live:
        checks = perform(providers.look(chosen.access, chosen.data_dir.absolute(), provider, live=live))
    else:
        checks = [*_here(chosen), *perform(_reach(chosen))]
    for check in checks:
        mark, colour = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", None)}[check.good]
        click.secho(f"{mark} {check.text}", fg=colour)
    sys.exit(1 if any(check.good is False for check in checks) else 0)


def _here(chosen: Settings) -> Iterator[Check]:
    yield Check(None, f"tuneteller {version()} · Python {platform.python_version()} · {platform.platform()}")
    yield Check(None, say("doctor.settings", names=", ".join(sorted(chosen.model_fields_set)) or "-"))
    try:
        bases.require((*bases.TRAINING_MODULES, *bases.SERVING_MODULES))
        bases.locate(bases.listed()[0].id)
    except FineTuneError as error:
        yield Check(False, say(f"error.{error.code}", **error.fields))
    else:
        yield Check(True, say("doctor.local"))
    torch = importlib.util.find_spec("torch")
    if (
        torch is not None
        and torch.origin is not None
        and (Path(torch.origin).parent / "lib" / "libtorch_cuda.so").exists()
    ):
        yield Check(None, say("doctor.cuda"))
    folder = chosen.data_dir.absolute()
    yield from _folder(folder)
    yield _port(chosen, folder)


def _has_cuda_build() -> bool:
    torch = importlib.util.find_spec("torch")
    if torch is None or torch.origin is None:
        return False
    return (Path(torch.origin).parent / "lib" / "libtorch_cuda.so").exists()


def _folder(folder: Path) -> Iterator[Check]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        yield Check(False, say("doctor.folder_bad", folder=str(folder), reason=error.strerror or "?"))
        return
    yield Check(True, say("doctor.folder", folder=str(folder)))
    free = shutil.disk_usage(folder).free
    yield Check(free >= _ROOM, say("doctor.disk", free=f"{free / 1e9:.1f} GB", room=f"{_ROOM / 1e9:.0f} GB"))


def _port(chosen: Settings, folder: Path) -> Check:
    lock = FolderLock(folder)
    try:
        lock.take()
    except FolderInUse as error:
        return Check(None, say("doctor.running", pid=error.pid))
    except OSError as error:
        return Check(False, say("doctor.folder_bad", folder=str(folder), reason=error.strerror or "?"))
    lock.free()
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((chosen.web_host, chosen.web_port))
        except OSError:
            return Check(False, say("error.port_taken", port=str(chosen.web_port)))
    return Check(True, say("doctor.port", port=str(chosen.web_port)))


async def _reach(chosen: Settings) -> list[Check]:
    checks = []
    database = Database(chosen.database_url)
    try:
        await database.migrate()
        checks.append(Check(True, say("doctor.database", url=database.url.render_as_string())))
    except DatabaseProblem as error:
        checks.append(Check(False, say("error.database", reason=str(error))))
    finally:
        await database.close()
    if chosen.telegram_token is None:
        checks.append(Check(None, say("doctor.telegram_off")))
    else:
        name = await bot_name(chosen.telegram_token.get_secret_value(), chosen.telegram_api_base)
        good = name is not None
        checks.append(Check(good, say("doctor.telegram", name=f"@{name}") if good else say("doctor.telegram_bad")))
    checks += await providers.look(chosen.access, chosen.data_dir.absolute(), None, live=False)
    if chosen.discord_token is None:
        checks.append(Check(None, say("doctor.discord_off")))
    else:
        checks += await _discord(chosen.discord_token.get_secret_value(), chosen.discord_api_base)
    return checks


async def _discord(token: str, api_base: str | None) -> list[Check]:
    if importlib.util.find_spec("discord") is None:
        return [Check(False, say("error.discord_missing"))]
    # An extra: imported where it is there.
    from bot.platforms.discord.check import invitation, look

    found = await look(token, api_base)
    if found is None:
        return [Check(False, say("doctor.discord_bad"))]
    known = say("doctor.discord", name=found.name, invite=invitation(found.application))
    content = say("doctor.discord_content" if found.content else "doctor.discord_no_content")
    return [Check(True, known), Check(None, content)]
