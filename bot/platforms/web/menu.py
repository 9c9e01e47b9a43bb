"""The commands that a page offers while somebody types a slash."""

from collections.abc import Sequence

from bot.chat.content import MenuEntry

# From the least to the most that one may.
ROLES = ("guest", "user", "trainer", "lead", "admin")


def menu_for(menu: Sequence[MenuEntry], role: str) -> list[dict[str, object]]:
    """The entries that this role may use, as JSON. What is hidden here is still refused by the services."""
    reach = _rank(role)
    return [
        {"name": entry.name, "arguments": entry.arguments, "descriptions": dict(entry.descriptions)}
        for entry in menu
        if _rank(entry.role) <= reach
    ]


def _rank(role: str) -> int:
    return ROLES.index(role) if role in ROLES else 0
