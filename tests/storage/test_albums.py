"""Image sets that are being sent, on both databases."""

import asyncio

import pytest

from storage.database import Database
from storage.repositories import albums, datasets, people
from storage.repositories.datasets import IMAGES, Content
from storage.tables import AlbumFile


async def person(database: Database) -> int:
    async with database.transaction() as session:
        return (await people.create(session, "Ann", "trainer", None)).id


def file(album: int, key: str, *, picture: bool = True) -> AlbumFile:
    return AlbumFile(album_id=album, key=key, name=f"{key}.png", digest="a" * 64, size=10**10, picture=picture)


async def test_two_who_open_at_once_get_the_same(database: Database) -> None:
    ann = await person(database)

    async def opened(key: str) -> int:
        async with database.transaction() as session:
            return (await albums.open_album(session, key, ann)).id

    same = await asyncio.gather(*(opened("1:web:a:") for _ in range(8)))
    assert len(set(same)) == 1
    assert await opened("1:web:b:") not in same


async def test_a_file_is_there_once_and_in_the_order_in_which_it_came(database: Database) -> None:
    ann = await person(database)
    async with database.transaction() as session:
        album = await albums.open_album(session, "k", ann)
        for key in ("b", "a"):
            await albums.add(session, file(album.id, key))
    with pytest.raises(Exception, match=r"(?i)unique"):
        async with database.transaction() as session:
            await albums.add(session, file(album.id, "a"))
    async with database.transaction() as session:
        found = await albums.files(session, album.id)
        assert [(one.key, one.size, one.picture) for one in found] == [("b", 10**10, True), ("a", 10**10, True)]
        await albums.remove(session, album.id, [found[0].id])
    async with database.transaction() as session:
        assert [one.key for one in await albums.files(session, album.id)] == ["a"]


async def test_what_is_counted_under_the_lock_stays_true(database: Database) -> None:
    ann = await person(database)
    async with database.transaction() as session:
        album = (await albums.open_album(session, "k", ann)).id

    async def add(number: int) -> None:
        async with database.transaction() as session:
            assert await albums.locked(session, album) is not None
            if len(await albums.files(session, album)) < 5:
                await albums.add(session, file(album, str(number)))

    await asyncio.gather(*(add(number) for number in range(12)))
    async with database.transaction() as session:
        assert len(await albums.files(session, album)) == 5


async def test_a_closed_one_makes_room_for_the_next(database: Database) -> None:
    ann = await person(database)
    async with database.transaction() as session:
        content = Content("a" * 64, "b" * 64, "f", None, {}, sheets=["c" * 64, "d" * 64])
        dataset, version = await datasets.create(session, ann, "set", content, kind=IMAGES)
        first = await albums.open_album(session, "k", ann)
        await albums.add(session, file(first.id, "a"))
        await albums.close(session, first, dataset.id)
    async with database.transaction() as session:
        assert await albums.find(session, "k") is None
        assert await albums.files(session, first.id) == []
        again = await albums.locked(session, first.id)
        assert again is not None
        assert (again.open_key, again.dataset_id) == (None, dataset.id)
        second = await albums.open_album(session, "k", ann)
        assert second.id != first.id
        await albums.close(session, second, None)
        assert await albums.locked(session, 10**9) is None
        assert (await datasets.version(session, version.id))[1].sheets == ["c" * 64, "d" * 64]
        assert await datasets.listing(session, ann, 5) == []
        assert [found.id for found in await datasets.listing(session, ann, 5, kind=IMAGES)] == [dataset.id]
