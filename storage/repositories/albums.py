"""Image sets that are being sent, picture by picture."""

from collections.abc import Sequence

from sqlalchemy import delete, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncSession

from storage.clock import now
from storage.tables import Album, AlbumFile


async def find(session: AsyncSession, open_key: str) -> Album | None:
    """The open album of a key."""
    return (await session.scalars(select(Album).where(Album.open_key == open_key))).first()


async def open_album(session: AsyncSession, open_key: str, person_id: int) -> Album:
    """The open album of a key, made if there is none; two who ask at once get the same."""
    dialect = session.get_bind().dialect.name
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    values = {"open_key": open_key, "person_id": person_id, "full": False, "created_at": now()}
    await session.execute(insert(Album).values(values).on_conflict_do_nothing())
    album = await find(session, open_key)
    assert album is not None
    return album


async def locked(session: AsyncSession, album_id: int) -> Album | None:
    """An album, nobody else's to change before the transaction ends: what is counted in it stays true."""
    query = select(Album).where(Album.id == album_id).with_for_update().execution_options(populate_existing=True)
    return (await session.scalars(query)).first()


async def files(session: AsyncSession, album_id: int) -> list[AlbumFile]:
    """What is in an album, in the order in which it came."""
    return list(await session.scalars(select(AlbumFile).where(AlbumFile.album_id == album_id).order_by(AlbumFile.id)))


async def add(session: AsyncSession, file: AlbumFile) -> None:
    """One more file."""
    session.add(file)
    await session.flush()


async def remove(session: AsyncSession, album_id: int, file_ids: Sequence[int]) -> None:
    """Take files out."""
    await session.execute(delete(AlbumFile).where(AlbumFile.album_id == album_id, AlbumFile.id.in_(file_ids)))


async def close(session: AsyncSession, album: Album, dataset_id: int | None) -> None:
    """Nothing more goes in. What was in it is forgotten: the dataset, if it became one, has it all."""
    album.open_key = None
    album.dataset_id = dataset_id
    await session.execute(delete(AlbumFile).where(AlbumFile.album_id == album.id))
    await session.flush()
