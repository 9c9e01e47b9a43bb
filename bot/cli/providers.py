"""What the doctor says of training providers: which are set up, whether they let us in, which assumptions hold."""

from collections.abc import Callable
from pathlib import Path

from bot.cli.checks import Check
from bot.cli.words import say
from bot.settings import ProviderAccess
from finetune.providers.abilities import Assuming, Assumption
from finetune.providers.catalogue import remote
from finetune.providers.profiles import names


async def look(
    access: Callable[[str], ProviderAccess | None], data: Path, only: str | None, *, live: bool
) -> list[Check]:
    """One finding for each provider that is set up, and with ``live`` one for each assumption about it."""
    found = remote(access, data / "providers")
    if only is not None and only not in found:
        return [Check(False, say("doctor.provider_unknown", provider=only, known=", ".join(found) or "-"))]
    checks = []
    try:
        for name, provider in found.items():
            if only not in (None, name) or not isinstance(provider, Assuming):
                continue
            reached = await provider.reach()
            if reached.ready:
                checks.append(Check(True, say("doctor.provider", provider=name)))
            else:
                checks.append(
                    Check(False, say("doctor.provider_bad", provider=name, code=reached.code, detail=reached.detail))
                )
            if live:
                checks += [_assumption(tried) for tried in await provider.assumptions()]
    finally:
        for provider in found.values():
            await provider.close()  # type: ignore[attr-defined]
    off = [name for name in names() if name not in found]
    if only is None and off:
        checks.append(Check(None, say("doctor.provider_off", names=", ".join(off))))
    return checks


def _assumption(tried: Assumption) -> Check:
    verdict = {True: "doctor.confirmed", False: "doctor.refuted", None: "doctor.open"}[tried.holds]
    text = say("doctor.assumption", id=tried.id, claim=tried.claim, verdict=say(verdict), found=tried.found)
    return Check(tried.holds, text)
