"""What a model is given to read: the system prompt that it was trained with, as much history as fits, the question."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from bot.answering.model import Said
from storage.tables import Turn

Count = Callable[[Sequence[Said]], int]

_USUAL_ANSWER = 512  # tokens kept free for an answer whose sampling names no limit


class Reader(Protocol):
    """Of a voice, what its prompt depends on."""

    @property
    def system_prompt(self) -> str:
        """What it was trained with; may be empty."""
        ...

    @property
    def sampling(self) -> Mapping[str, object]:
        """``max_tokens`` keeps room for the answer."""
        ...

    @property
    def window(self) -> int:
        """Tokens in all."""
        ...


def fit(
    voice: Reader, history: Sequence[Turn], question: str, count: Count, more: Sequence[Said] = ()
) -> tuple[list[Said], int]:
    """The prompt: the newest turns that fit the window with room for the answer; and how many were left out.

    ``more`` will follow upon the question, and needs its room too.
    """
    system = [Said("system", voice.system_prompt)] if voice.system_prompt else []
    past = pairs(history)
    wanted = voice.sampling.get("max_tokens")
    room = voice.window - min(wanted if isinstance(wanted, int) else _USUAL_ANSWER, voice.window // 2)

    def without(oldest: int) -> list[Said]:
        return [*system, *(said for pair in past[oldest:] for said in pair), Said("user", question)]

    # Counting takes its time: the fewest that have to go are found by halves.
    if not past or count([*without(0), *more]) <= room:
        return without(0), 0
    low, high = 1, len(past)
    while low < high:
        middle = (low + high) // 2
        if count([*without(middle), *more]) <= room:
            high = middle
        else:
            low = middle + 1
    return without(low), 2 * low


def own_words(label: str, history: Sequence[Turn]) -> Sequence[Turn]:
    """The turns since this very model answers: what another one said would be imitated, not understood."""
    for index in range(len(history) - 1, -1, -1):
        turn = history[index]
        # Of an answer that a power cut ended it may not be known whose it was.
        if turn.role == "assistant" and turn.model not in (None, label):
            return history[index + 1 :]
    return history


def pairs(history: Sequence[Turn]) -> list[tuple[Said, Said]]:
    """Turns as question and answer: what several people said before one answer is one question."""
    found: list[tuple[Said, Said]] = []
    asked: list[str] = []
    for turn in history:
        if turn.role == "user":
            asked.append(turn.text)
        elif asked:
            found.append((Said("user", "\n".join(asked)), Said("assistant", turn.text)))
            asked = []
        elif found:
            # It goes on from the answer before it.
            found[-1] = (found[-1][0], Said("assistant", found[-1][1].content + turn.text))
    return found


def continued(said: str, go_on: str, *, prefills: bool) -> list[Said]:
    """What follows upon a prompt for the rest of an answer: its beginning, and where that is needed a wish to go on."""
    begun = [Said("assistant", said)]
    return begun if prefills else [*begun, Said("user", go_on)]
