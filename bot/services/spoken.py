"""What people thought this month of what was said."""

from datetime import datetime

from sqlalchemy import func, select

from storage.clock import now
from storage.database import Database
from storage.tables import Rating


class Spoken:
    """Sums over the ratings."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def votes(self) -> tuple[int, int]:
        """(good, bad) of the month."""
        query = select(Rating.value, func.count()).where(Rating.created_at >= _month()).group_by(Rating.value)
        async with self._database.transaction() as session:
            rows = (await session.execute(query)).all()
        found = {int(value): int(count) for value, count in rows}
        return found.get(1, 0), found.get(-1, 0)


def _month() -> datetime:
    return now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
