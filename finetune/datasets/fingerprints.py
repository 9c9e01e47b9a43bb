"""Finding rows that were there before: 16 bytes a row, and no text kept."""

from array import array
from collections.abc import Iterable, Iterator

_FEW = 1 << 14  # rows that are compared one by one
PART = 1 << 16  # rows that are remembered in one piece


class Fingerprints:
    """Takes rows in their order, and keeps their hashes."""

    def __init__(self) -> None:
        # In parts, for what grows as a whole leaves holes in the memory, as large as itself.
        self._prints: list[array[int]] = []
        self._places: list[array[int]] = []

    def add(self, row: bytes, place: int) -> None:
        """Remember a canonical row at a place (any number that is not negative)."""
        prints, places = self._last_parts()
        prints.append(hash(row))
        places.append(place)

    def _last_parts(self) -> "tuple[array[int], array[int]]":
        if not self._prints or len(self._prints[-1]) == PART:
            self._prints.append(array("q"))
            self._places.append(array("q"))
        return self._prints[-1], self._places[-1]

    def duplicates(self) -> Iterator[tuple[int, int]]:
        """Pairs of places: a row, and the first that was equal to it; in the order in which rows were added."""
        first: dict[int, int] = {}
        for row in self._repeated():
            part, number = divmod(row, PART)
            place = self._places[part][number]
            earlier = first.setdefault(self._prints[part][number], place)
            if earlier != place:
                yield place, earlier

    def _repeated(self) -> Iterable[int]:
        """Numbers of rows, in order, among which are all that are equal to another one."""
        count = sum(map(len, self._prints))
        if count <= _FEW:
            # To import the other way takes longer than to compare as few one by one.
            return range(count)
        from finetune.datasets.repeated import repeated

        return repeated(self._prints)
