"""The best that the limits allow in a storm of 429, to an oracle that knows every token and not the storm.

The oracle of :mod:`benchmarks.streaming_oracle` is shown the storm beforehand: it calls early where it knows that it
will be refused, as a refused call costs the sum of calls nothing. No bot can do that. This one knows when every token
comes, how often calls are refused and for how long they have to wait then, and learns of each refusal when it meets
it. What it comes to is the mean over all storms of that kind.

For every chat it is a decision at each moment at which the chat may be called (call, or wait a little more), solved
backwards in time; what joins the chats is only the sum of calls in a second, which is priced as the other oracle does
it (Lagrange), so that the result is again a lower bound for every policy. Calls that are refused cost no price.
Time is cut into slots, and every rounding is in the oracle's favour.
"""

from collections import deque
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from benchmarks.streaming_oracle import Bound, Numbers, first_prices, priced

TURNS = 20


def bound(
    schedules: list[Numbers],
    spacing: float,
    per_second: int,
    first_words: float,
    share: float,
    waits: Mapping[int, float],
) -> Bound:
    """The bound for answers each in a chat of its own.

    ``schedules``: generation times of each answer's characters in seconds, ascending; ``share`` of calls that are
    refused; ``waits``: of these, the share for each number of seconds that they have to wait (adds up to 1).
    """
    crowded = len(schedules) / spacing > per_second
    slot = 0.05 if crowded else 0.02
    chats = _Chats(schedules, spacing, per_second, first_words, share, waits, slot)
    seconds = (np.arange(chats.slots) * slot).astype(int)

    def solve(prices: Numbers) -> tuple[float, Numbers]:
        return chats.best(prices[seconds])

    if not crowded:
        cost, calls = solve(np.zeros(seconds[-1] + 1))
        return Bound(cost / chats.characters, float(calls.sum()) / len(schedules))
    prices = first_prices(schedules, seconds[-1] + 1, spacing, per_second)
    best, best_calls = priced(solve, seconds, prices, per_second, TURNS)
    return Bound(best / chats.characters, best_calls / len(schedules))


class _Chats:
    """The best decisions of every chat at given prices, all chats at once.

    A chat's state is the slot of its last call that was taken; state 0 stands for none, state s + 1 for slot s.
    """

    def __init__(
        self,
        schedules: list[Numbers],
        spacing: float,
        per_second: int,
        first_words: float,
        share: float,
        waits: Mapping[int, float],
        slot: float,
    ) -> None:
        begin = min(float(each[0]) for each in schedules)
        end = max(float(each[-1]) for each in schedules)
        crowd = len(schedules) / per_second
        longest = max(waits, default=0)
        self.slots = int((end - begin + spacing + crowd + 4 * longest + 1) / slot) + 1
        self._slot, self._share = slot, share
        self._waits = [(round(wait / slot), part) for wait, part in waits.items()]
        self._least = max(1, round(spacing / slot))
        self._margin = round(longest / slot) + 1
        # Whoever was refused so long that no policy would plan for it is served at once and for nothing.
        self._most = round((3 * spacing + 3 * crowd + 4 * longest) / slot) + self._margin
        edges = begin + np.arange(self.slots + 1) * slot
        self.characters = sum(len(each) for each in schedules)
        self._whole = np.array([len(each) for each in schedules], dtype=np.float32)
        self._count = np.array([np.searchsorted(each, edges, side="left") for each in schedules], dtype=np.float32)
        self._sum = np.zeros_like(self._count)
        for row, each in enumerate(schedules):
            moments = np.concatenate([[0.0], np.cumsum(each - begin)])
            self._sum[row] = moments[self._count[row].astype(int)]
        # From this slot on, nothing but a refusal keeps first words back.
        self._first = np.array([(float(each[0]) + first_words - begin) / slot for each in schedules])

    def best(self, prices: Numbers) -> tuple[float, Numbers]:
        """Characters times seconds (prices included), and the expected number of taken calls in each slot."""
        rows, states = len(self._whole), self.slots + 1
        price = prices.astype(np.float32)
        acts = np.zeros((self.slots, rows, self._most + 1), dtype=bool)
        firsts = np.zeros((self.slots, rows), dtype=bool)
        # Values of the slots after this one, nearest first.
        later: deque[NDArray[np.float32]] = deque(maxlen=max(self._margin, self._least) + 1)
        for at in range(self.slots - 1, -1, -1):
            now = np.float32(at * self._slot)
            there, moments = self._count[:, at, None], self._sum[:, at, None]
            after = self._after(at, later)
            value = np.zeros((rows, states), dtype=np.float32)
            low, high = max(0, at - self._most), at - self._least + 1
            if high > low:
                shown, since = self._count[:, low + 1 : high + 1], self._sum[:, low + 1 : high + 1]
                cost = now * np.maximum(0, there - shown) - np.maximum(0, moments - since)
                attempt, wait = self._choices(cost, after, price[at], later, slice(low + 1, high + 1))
                far = max(0, at - self._most + self._margin - low)
                attempt[:, :far] = cost[:, :far] + after
                open_ = shown < self._whole[:, None]
                act = (attempt <= wait) & open_
                act[:, :far] = False
                acts[at, :, : high - low] = act
                value[:, low + 1 : high + 1] = np.where(open_, np.minimum(attempt, wait), 0)
                value[:, low + 1 : low + 1 + far] = np.where(open_, attempt, 0)[:, :far]
            attempt, wait = self._choices(now * there - moments, after, price[at], later, slice(0, 1))
            act = (there > 0) & ((attempt <= wait) | (at >= self._first)[:, None])
            firsts[at] = act[:, 0]
            value[:, :1] = np.where(act, attempt, wait)
            later.appendleft(value)
        return float(later[0][:, 0].astype(np.float64).sum()), self._calls(acts, firsts)

    def _after(self, at: int, later: deque[NDArray[np.float32]]) -> NDArray[np.float32]:
        """What follows upon a call that is taken now."""
        whole = self._count[:, at + 1] >= self._whole
        if at + self._least >= self.slots:
            return np.zeros((len(whole), 1), dtype=np.float32)
        return np.where(whole, 0, later[self._least - 1][:, at + 1])[:, None].astype(np.float32)

    def _choices(
        self,
        cost: NDArray[np.float32],
        after: NDArray[np.float32],
        price: np.float32,
        later: deque[NDArray[np.float32]],
        states: slice,
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The value of calling now, and of waiting for the next slot. After the last slot, all is shown for nothing."""
        taken = cost + after + price
        attempt = (1 - self._share) * taken
        for wait, part in self._waits:
            refused = later[wait - 1][:, states] if wait <= len(later) else cost + after
            attempt = attempt + self._share * part * refused
        return attempt, later[0][:, states] if later else cost + after

    def _calls(self, acts: NDArray[np.bool_], firsts: NDArray[np.bool_]) -> Numbers:
        rows, states = len(self._whole), self.slots + 1
        calls = np.zeros(self.slots)
        reach = max(self._margin, self._least) + 1
        ahead: deque[NDArray[np.float32]] = deque(np.zeros((rows, states), np.float32) for _ in range(reach))
        ahead[0][:, 0] = 1
        for at in range(self.slots):
            here = ahead.popleft()
            ahead.append(np.zeros((rows, states), np.float32))
            low, high = max(0, at - self._most), at - self._least + 1
            taken = np.zeros(rows, np.float32)
            for states_, act in (
                (slice(0, 1), firsts[at][:, None]),
                (slice(low + 1, max(low, high) + 1), acts[at, :, : max(0, high - low)]),
            ):
                mass = here[:, states_]
                calling = mass * act
                ahead[0][:, states_] += mass - calling
                taken += (1 - self._share) * calling.sum(axis=1)
                for wait, part in self._waits:
                    ahead[wait - 1][:, states_] += self._share * part * calling
            calls[at] = taken.sum()
            ahead[self._least - 1][:, at + 1] += taken
        return calls
