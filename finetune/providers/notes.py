"""Small notes about what was asked of a provider, kept on disk from before it is asked until its answer is there.

A job whose creation was never answered may exist all the same. It is looked for first, always; the note makes sure
that it is looked for once more after a while, because a provider may list late what it made.
"""

import time
from collections.abc import Callable
from pathlib import Path

from finetune.errors import ProviderError, ProviderUnavailable
from finetune.providers.faults import AMBIGUOUS

# Seconds in which whatever was created is surely listed.
SETTLED = 60.0


class Notes:
    """One file a note, in a folder. ``clock``: seconds since 1970."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._folder = folder
        self._clock = clock

    def get(self, name: str) -> str | None:
        """A note's text."""
        try:
            return (self._folder / name).read_text("utf-8")
        except FileNotFoundError:
            return None

    def put(self, name: str, text: str) -> None:
        """Write a note down for good, before anything is asked."""
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{name}.part"
        part.write_text(text, "utf-8")
        part.replace(self._folder / name)

    def drop(self, name: str) -> None:
        """Forget a note."""
        (self._folder / name).unlink(missing_ok=True)

    def begin(self, name: str, provider: str) -> None:
        """Something is going to be created. Raises ``create_unconfirmed`` while an earlier one may still appear."""
        noted = self.get(name)
        if noted is not None:
            left = SETTLED - (self._clock() - float(noted))
            if left > 0:
                raise ProviderUnavailable(
                    "create_unconfirmed", provider=provider, status="", detail="", retry_after=left
                )
        self.put(name, str(self._clock()))

    def failed(self, name: str, error: ProviderError) -> None:
        """It was not created, unless that is not known."""
        if error.code not in AMBIGUOUS:
            self.drop(name)
