"""Image sets that people send picture by picture: collected in the database until they say that it is all."""

import asyncio
import shutil
import tempfile
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.chat.places import Place
from bot.services.access import Member
from bot.services.images import Examined, HeldImages, ImageSets
from finetune.errors import DatasetError
from finetune.images import MAX_BYTES, MAX_IMAGES, Severity
from storage.database import Database
from storage.repositories import albums
from storage.tables import Album, AlbumFile

# With the ending and short of what a finding shows: by its name in a finding a picture has to be found again.
_LONGEST_NAME = 50


@dataclass(frozen=True, slots=True)
class Collected:
    """What is in an open set. ``full``: something was left out because there is no more room."""

    id: int
    pictures: int
    captions: int
    bytes: int
    full: bool
    card: str | None


@dataclass(frozen=True, slots=True)
class Arrived:
    """What became of a file: ``taken``, or there was no room; ``first``: for the first time in this set."""

    taken: bool
    first: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """What came of Done: a dataset, or findings and the set is open still.

    ``stale``: pictures came or the set was discarded while it was read, so that nothing was decided. ``examined`` is
    None for a set that was done before.
    """

    held: HeldImages | None = None
    examined: Examined | None = None
    stale: bool = False


class Albums:
    """The open sets of one installation: one for each person in each place."""

    def __init__(self, database: Database, images: ImageSets) -> None:
        self._database = database
        self._images = images

    async def open(self, member: Member, place: Place) -> int:
        """The person's open set in a place, made if there is none."""
        assert member.id is not None
        async with self._database.transaction() as session:
            return (await albums.open_album(session, _key(member, place), member.id)).id

    async def find(self, member: Member, place: Place) -> int | None:
        """The person's open set in a place, if there is one."""
        async with self._database.transaction() as session:
            album = await albums.find(session, _key(member, place))
            return album.id if album else None

    async def add(self, album_id: int, name: str, digest: str, size: int, *, picture: bool) -> Arrived:
        """Put a kept file in. The same picture twice is one; a caption takes the place of one with its name.

        Raises ``UserError`` where the set was done or discarded meanwhile.
        """
        name = _short(name)
        key = digest if picture else name.casefold()
        async with self._database.transaction() as session:
            album = await _open(session, album_id)
            here = await albums.files(session, album_id)
            former = next((file for file in here if file.key == key), None)
            if former is not None and (picture or former.digest == digest):
                return Arrived(True)
            others = [file for file in here if file is not former]
            pictures = sum(file.picture for file in others)
            # A caption belongs to a picture: more of them than pictures can be are no use either.
            too_many = (pictures if picture else len(others) - pictures) >= MAX_IMAGES
            if too_many or sum(file.size for file in others) + size > MAX_BYTES:
                first, album.full = not album.full, True
                return Arrived(False, first)
            if former is not None:
                await albums.remove(session, album_id, [former.id])
            taken = {file.name.casefold() for file in others}
            row = AlbumFile(
                album_id=album_id, key=key, name=_own(name, taken), digest=digest, size=size, picture=picture
            )
            await albums.add(session, row)
        return Arrived(True)

    async def state(self, album_id: int) -> Collected | None:
        """What is in a set; None for one that is not open any more."""
        async with self._database.transaction() as session:
            album = await albums.locked(session, album_id)
            if album is None or album.open_key is None:
                return None
            return _collected(album, await albums.files(session, album_id))

    async def show_on(self, album_id: int, message: str) -> None:
        """Remember the message that shows a set."""
        async with self._database.transaction() as session:
            album = await albums.locked(session, album_id)
            if album is not None:
                album.card_message = message

    async def finish(self, album_id: int, member: Member, name: str) -> Finished:
        """Judge a set; a good one becomes a dataset called ``name``, a bad one stays open.

        Raises ``UserError`` for a discarded set and :class:`DatasetError` for one without pictures.
        """
        assert member.id is not None
        async with self._database.transaction() as session:
            album = await albums.locked(session, album_id)
            files = await albums.files(session, album_id)
        if album is not None and album.dataset_id is not None:
            return Finished(await self._images.get(album.dataset_id, member))
        if album is None or album.open_key is None:
            raise UserError("album_closed")
        if not any(file.picture for file in files):
            raise DatasetError("images_none")
        found = await self._examined(files)
        async with self._database.transaction() as session:
            album = await albums.locked(session, album_id)
            now = await albums.files(session, album_id)
            if album is None or [file.id for file in now] != [file.id for file in files]:
                return Finished(stale=True)
            if not found.canonical:
                return Finished(examined=found)
            held = await self._images.keep(session, member.id, name, found)
            # In one transaction with the dataset: Done again after a crash in between must not make another one.
            await albums.close(session, album, held.dataset.id)
        return Finished(held, found)

    async def _examined(self, files: Sequence[AlbumFile]) -> Examined:
        room = Path(await asyncio.to_thread(tempfile.mkdtemp))
        try:
            names = {}
            for number, file in enumerate(files):
                # People's names are only told to the judge: none of them ever becomes a path.
                safe = f"{number:04}{Path(file.name).suffix.lower() if not file.picture else '.picture'}"
                names[safe] = file.name
                await asyncio.to_thread(_link, self._images.path(file.digest), room / safe)
            return await self._images.examine(room, names)
        finally:
            shutil.rmtree(room, ignore_errors=True)

    async def leave_out(self, album_id: int, names: Sequence[str]) -> int:
        """Take the pictures of these names out, with what is their caption. Returns how many pictures."""
        stems = {_stem(name) for name in names}
        async with self._database.transaction() as session:
            album = await _open(session, album_id)
            here = await albums.files(session, album_id)
            pictures = [file for file in here if file.picture and file.name in names]
            kept = {_stem(file.name) for file in here if file.picture and file not in pictures}
            captions = [file for file in here if not file.picture and _stem(file.name) in stems - kept]
            await albums.remove(session, album_id, [file.id for file in (*pictures, *captions)])
            album.full = False
        return len(pictures)

    async def discard(self, album_id: int) -> bool:
        """Forget a set; False if it was done or discarded before."""
        async with self._database.transaction() as session:
            album = await albums.locked(session, album_id)
            if album is None or album.open_key is None:
                return False
            await albums.close(session, album, None)
        return True


def faulty(found: Examined) -> list[str]:
    """The names of the pictures that stop a training."""
    names = [
        finding.file
        for finding in found.report.findings
        if finding.severity is Severity.ERROR and finding.number is not None
    ]
    return list(dict.fromkeys(names))


async def _open(session: AsyncSession, album_id: int) -> Album:
    album = await albums.locked(session, album_id)
    if album is None or album.open_key is None:
        raise UserError("album_closed")
    return album


def _collected(album: Album, files: Sequence[AlbumFile]) -> Collected:
    pictures = sum(file.picture for file in files)
    size = sum(file.size for file in files)
    return Collected(album.id, pictures, len(files) - pictures, size, album.full, album.card_message)


def _key(member: Member, place: Place) -> str:
    return f"{member.id}:{place.platform}:{place.chat}:{place.thread}"


def _short(name: str) -> str:
    """The name as findings tell it: without folders and what cannot be printed, at most so long, its ending kept."""
    last = unicodedata.normalize("NFC", name.replace("\\", "/").rsplit("/", 1)[-1])
    plain = "".join(letter for letter in last if letter.isprintable())
    stem, point, tail = plain.rpartition(".")
    ending = f"{point}{tail[:10]}" if stem else ""
    return f"{(stem or tail)[: _LONGEST_NAME - len(ending)]}{ending}"


def _own(name: str, taken: set[str]) -> str:
    """A name that no other file of the set has: phones call every picture the same."""
    stem, point, tail = name.rpartition(".")
    number = 1
    found = name
    while found.casefold() in taken:
        number += 1
        found = f"{stem} ({number}){point}{tail}"
    return found


def _stem(name: str) -> str:
    return name.rpartition(".")[0].casefold()


def _link(source: Path, target: Path) -> None:
    """The bytes of a kept file under another name: linked where the file systems allow it, else copied."""
    try:
        target.symlink_to(source.absolute())
    except OSError:
        shutil.copyfile(source, target)
