"""What a restored database is kept from doing again."""

from datetime import UTC, datetime

from sqlalchemy import select

from storage.database import Database
from storage.repositories import outbox, restored, updates
from storage.tables import OutboxRow

MOMENT = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def row(key: str, kind: str, state: str, platform: str = "telegram") -> OutboxRow:
    return OutboxRow(
        key=key,
        kind=kind,
        subject="done",
        platform=platform,
        chat="1",
        thread="",
        place_kind="private",
        message="5",
        language="en",
        payload={"job": 1},
        state=state,
        due_at=MOMENT,
        created_at=MOMENT,
    )


async def test_open_pushes_are_unclear_and_edits_are_made_again(database: Database) -> None:
    async with database.transaction() as session:
        for state in ("pending", "sending", "sent", "failed"):
            await outbox.add(session, row(f"push:{state}", "push", state))
            await outbox.add(session, row(f"edit:{state}", "edit", state))
            await outbox.add(session, row(f"own:{state}", "push", state, platform="web"))
    for _ in range(2):
        async with database.transaction() as session:
            await restored.settle(session, ("web",))
    async with database.transaction() as session:
        found = {entry.key: entry.state for entry in await session.scalars(select(OutboxRow))}
    assert found == {
        "push:pending": "unknown",
        "push:sending": "unknown",
        "push:sent": "sent",
        "push:failed": "failed",
        "edit:pending": "pending",
        "edit:sending": "pending",
        "edit:sent": "sent",
        "edit:failed": "failed",
        # What was shown on the page since the backup is gone with it: it is shown again.
        "own:pending": "pending",
        "own:sending": "sending",
        "own:sent": "sent",
        "own:failed": "failed",
    }


async def test_what_came_in_is_not_handled_again(database: Database) -> None:
    async with database.transaction() as session:
        await updates.add(session, "telegram", "1", "7", "{}")
        await updates.add(session, "web", "1", "7", "{}")
        await restored.settle(session, ("web",))
    async with database.transaction() as session:
        assert await updates.open_events(session, "one") == [("web", "7", "1")]
        assert not await updates.add(session, "telegram", "1", "7", "{}")


async def test_a_kept_place_is_released_or_doubted(database: Database) -> None:
    async with database.transaction() as session:
        await outbox.hold(session, row("job:1:done", "push", ""))
        await outbox.hold(session, row("job:2:done", "push", ""))
        await outbox.add(session, row("job:3:done", "push", "sent"))
        await outbox.hold(session, row("job:3:done", "push", ""))
    async with database.transaction() as session:
        assert await outbox.held(session) == {"job:1:done", "job:2:done"}
        assert await outbox.due(session, 10) == []
        await outbox.release(session, "job:1:done")
        assert not await outbox.doubt(session, "job:1:done")
        assert await outbox.doubt(session, "job:2:done")
        assert not await outbox.doubt(session, "job:3:done")
        assert [entry.key for entry in await outbox.tell_unseen(session, "telegram", "1")] == ["job:2:done"]
        assert await outbox.tell_unseen(session, "telegram", "1") == []
