"""Which updates were taken in, and from where Telegram has to repeat after a crash."""

# An update just before the saved position was taken in and not confirmed any more. Anything farther away belongs to
# another sequence: another bot, another server, or Telegram's new beginning after a quiet week.
_RECOGNISED = 1000


class Window:
    """Updates in the order of the server, from the first that was not taken in yet.

    The saved position is only used to recognise updates; it is never sent to the server, which answers a position of
    another sequence with its oldest updates for ever. What is sent comes from updates of this very run.
    """

    def __init__(self, saved: int | None) -> None:
        self._saved = saved
        self._taken: dict[int, bool] = {}
        self._next: int | None = None

    @property
    def offset(self) -> int | None:
        """The first update to be repeated; everything before it is confirmed. ``None``: nothing was seen yet."""
        return next(iter(self._taken), self._next)

    @property
    def pending(self) -> bool:
        """Whether an update is on its way."""
        return bool(self._taken)

    def add(self, update_id: int) -> bool:
        """Begin with an update. False: it is on its way already, or was taken in before."""
        # A poll that was on its way while updates were taken in brings them once more.
        if update_id in self._taken or _just_before(update_id, self._next):
            return False
        known = _just_before(update_id, self._saved)
        self._taken[update_id] = False
        if known:
            self.take(update_id)
        return not known

    def take(self, update_id: int) -> None:
        """An update is stored and may be confirmed once all before it are. The same once more changes nothing."""
        if update_id not in self._taken:
            return
        self._taken[update_id] = True
        for earlier, taken in list(self._taken.items()):
            if not taken:
                break
            del self._taken[earlier]
            self._next = earlier + 1


def _just_before(update_id: int, position: int | None) -> bool:
    return position is not None and position - _RECOGNISED <= update_id < position
