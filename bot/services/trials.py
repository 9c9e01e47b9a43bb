"""A private trial of a model, and a canary: a model for a share of all conversations, which goes by itself when it does
badly.
"""

import asyncio
import hashlib
import logging

from bot.chat.errors import UserError
from bot.chat.places import Place, PlaceKind
from bot.services import notices
from bot.services.releases import label_of
from storage.database import Database
from storage.repositories import conversations as turns
from storage.repositories import jobs, models, releases
from storage.repositories import trials as rows
from storage.tables import Canary, TunedModel

log = logging.getLogger(__name__)

# Of a canary's answers: what makes it go. At least so many of either, and more than this share of all.
LEAST_BAD = 3
MOST_ERRORS = 0.10
MOST_THUMBS_DOWN = 0.20
# Why a canary is taken back.
ERRORS, THUMBS = RETURNED = "errors", "thumbs"
_LOOKED_AT = 1000
_PERIOD = 5.0  # seconds


class Trials:
    """Who talks to another model than everybody."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def chosen(self, conversation_id: int) -> TunedModel | None:
        """The model of a conversation that does not talk to the live one."""
        async with self._database.reading() as session:
            trial = await rows.trial(session, conversation_id)
            if trial is not None:
                row = await models.alias(session, trial.alias) if trial.alias else None
                model_id = row.model_id if row else trial.model_id
                # A name that means nothing any more: like everybody.
                if model_id is not None:
                    return await models.get(session, model_id)
            canary = await rows.canary(session)
            if canary is not None and in_share(canary, conversation_id):
                return await models.get(session, canary.model_id)
        return None

    async def begin(self, place: Place, model: TunedModel, alias: str | None = None) -> None:
        """Talk to a model in a private chat, or to whatever a name means. Raises ``UserError`` in a group."""
        if place.kind is not PlaceKind.PRIVATE:
            raise UserError("try_in_private")
        async with self._database.transaction() as session:
            talk = await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)
            await rows.set_trial(session, talk.id, model.id, alias)

    async def at(self, place: Place) -> tuple[TunedModel | None, str | None]:
        """What a place talks to by a choice of its own, and by which name; (None, None): what everybody does."""
        async with self._database.transaction() as session:
            talk = await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)
            trial = await rows.trial(session, talk.id)
        return await self.chosen(talk.id) if trial else None, trial.alias if trial else None

    async def end(self, place: Place) -> bool:
        """Talk to what everybody talks to again; False if that was so."""
        async with self._database.transaction() as session:
            talk = await turns.at(session, place.platform, place.chat, place.thread, place.kind.value)
            return await rows.end_trial(session, talk.id)

    async def canary(self, canary_id: int) -> Canary | None:
        """A canary, running or not."""
        async with self._database.transaction() as session:
            return await rows.get_canary(session, canary_id)

    async def run(self) -> None:
        """Watch the canary, for ever."""
        while True:
            try:
                await self.look()
            except Exception:
                log.exception("the canary could not be looked at; the next look comes in %g s", _PERIOD)
            await asyncio.sleep(_PERIOD)

    async def look(self) -> str | None:
        """Take the canary back if it does badly: the reason, else None. Told once, in the same transaction."""
        async with self._database.transaction() as session:
            canary = await rows.canary(session)
            if canary is None:
                return None
            model = await models.get(session, canary.model_id)
            assert model is not None
            found = await rows.answers_since(session, canary.created_at, _LOOKED_AT, label_of(model))
            mine = [(turn, state) for turn, conversation, state in found if in_share(canary, conversation)]
            errors = sum(state == "failed" for _, state in mine)
            thumbs = await rows.disliked(session, [turn for turn, _ in mine])
            reason = None
            if errors >= LEAST_BAD and errors > MOST_ERRORS * len(mine):
                reason = ERRORS
            elif thumbs >= LEAST_BAD and thumbs > MOST_THUMBS_DOWN * len(mine):
                reason = THUMBS
            if reason is None:
                return None
            await rows.end_canary(session, "returned", reason)
            await releases.note(session, releases.ROLLED_BACK, None, model_id=canary.model_id, reason=reason)
            job = await jobs.get(session, model.job_id)
            assert job is not None
            key = f"canary:{canary.id}:returned"
            bad = errors if reason == "errors" else thumbs
            payload = {"job": job.id, "reason": reason, "bad": bad, "answers": len(mine)}
            await notices.push(session, job, key, "canary", payload)
        log.warning("the canary v%s was taken back: %s", model.version, reason)
        return reason


def in_share(canary: Canary, conversation_id: int) -> bool:
    """Whether a conversation is one of a canary's: by chance, and always the same."""
    digest = hashlib.sha256(f"{canary.id}/{conversation_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") % 100 < canary.share
