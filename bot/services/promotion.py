"""What people talk to changes: with passed gates, or with a lead's reason; with a second person where the team wants
one; and back in a moment. Each name moves for itself.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.chat.errors import UserError
from bot.services.access import Member, Role
from bot.services.exports import IMPORTED
from finetune.evaluation.verdict import Verdict
from storage.clock import now
from storage.database import Database
from storage.repositories import evaluations, jobs, models, people, releases
from storage.repositories import trials as canaries
from storage.repositories.models import LIVE
from storage.tables import Release, TunedModel

# What two people take back at once is taken back once.
_AT_ONCE = timedelta(seconds=60)
_WENT_BACK = (releases.ROLLED_BACK, releases.CANARY_ENDED)


@dataclass(frozen=True, slots=True)
class Moved:
    """What people talk to now and talked to before. None: the untuned base; of another name than the live one, nothing.

    ``waits``: a second person has to agree first, and nothing has changed yet. ``awaits``: it has to pass its gates
    first. ``canary``: it was a canary that ended.
    """

    now: TunedModel | None
    former: TunedModel | None
    alias: str = LIVE
    waits: bool = False
    awaits: bool = False
    canary: bool = False


class Settled(StrEnum):
    """What became of the wish that a name moves once a model has passed its gates."""

    MOVED = "moved"
    ASKED = "asked"
    STAYS = "stays"
    # Something else was decided since.
    OVERTAKEN = "overtaken"


class Promotion:
    """Moves aliases. ``evaluated``: new models are evaluated here, so one without a verdict needs a reason. ``draws``:
    whether a model only makes pictures, so that nobody could talk to it.
    """

    def __init__(
        self, database: Database, *, evaluated: bool, two_people: bool, draws: Callable[[TunedModel], bool]
    ) -> None:
        self._database = database
        self._draws = draws
        self._evaluated = evaluated
        self._two_people = two_people

    async def promote(self, version: int, member: Member, reason: str = "", alias: str = LIVE) -> Moved:
        """Let a name mean a version; one that is being tested, once it has passed its gates (:meth:`settle`). Raises
        ``UserError`` where its gates ask for a reason.
        """
        async with self._database.transaction() as session:
            model = await self._model(session, version)
            # Or its end would not see the wish. Before the name, as :meth:`settle` has them.
            await evaluations.of_model(session, model.id, hold=True)
            row = await models.held(session, alias)
            if row.model_id == model.id:
                await self._end_canary(session, alias)
                return Moved(model, await self._of(session, row.former_id), alias)
            former = await self._of(session, row.model_id)
            if not await self._tested(session, model, reason):
                last = await releases.last(session, alias)
                known = last and (last.action, last.model_id, last.person_id)
                if known != (releases.AWAITED, model.id, member.id):
                    await releases.note(session, releases.AWAITED, member.id, model_id=model.id, alias=alias)
                return Moved(model, former, alias, awaits=True)
            if self._two_people and not _agreed(await releases.last(session, alias), model, member):
                await releases.note(session, releases.ASKED, member.id, model_id=model.id, reason=reason, alias=alias)
                return Moved(model, former, alias, waits=True)
            await self._point(session, model, former, member.id, alias, reason)
        return Moved(model, former, alias)

    async def withdraw(self, version: int, alias: str, member: Member) -> Moved:
        """It is to be tested only. Raises ``UserError`` if nobody waits for it any more."""
        async with self._database.transaction() as session:
            model = await self._model(session, version)
            last = await releases.last(session, alias)
            if last is None or last.action != releases.AWAITED or last.model_id != model.id:
                raise UserError("nothing_awaited", version=version)
            await releases.note(session, releases.WITHDRAWN, member.id, model_id=model.id, alias=alias)
            row = await models.held(session, alias)
            return Moved(await self._of(session, row.model_id), model, alias)

    async def settle(self, session: AsyncSession, model: TunedModel) -> list[dict[str, Any]]:
        """A model was tested: do what was wished for that case. For each wish ``alias``, ``person`` (whose it was) and
        ``outcome`` (:class:`Settled`), as plain data.
        """
        done = []
        overtaken = await releases.overtaken(session, model.id)
        for wish in await releases.awaiting(session, model.id):
            outcome = await self._settled(session, model, wish)
            done.append((wish, outcome))
        for wish in overtaken:
            wish.event = f"overtaken:{wish.id}"  # it is told once, however often the model is tested
            done.append((wish, Settled.OVERTAKEN))
        return [{"alias": wish.alias, "person": wish.person_id, "outcome": outcome.value} for wish, outcome in done]

    async def _settled(self, session: AsyncSession, model: TunedModel, wish: Release) -> Settled:
        try:
            passed = await self._tested(session, model, "")
        except UserError:
            passed = False
        person = None if wish.person_id is None else await people.get(session, wish.person_id)
        if not passed or person is None or Role.of(person.role) < Role.LEAD:
            await releases.note(session, releases.LAPSED, None, model_id=model.id, alias=wish.alias)
            return Settled.STAYS
        if self._two_people:
            asked = releases.ASKED
            await releases.note(session, asked, wish.person_id, model_id=model.id, alias=wish.alias)
            return Settled.ASKED
        row = await models.held(session, wish.alias)
        await self._point(session, model, await self._of(session, row.model_id), wish.person_id, wish.alias, "")
        return Settled.MOVED

    async def base(self, member: Member) -> Moved:
        """Let everybody talk to the untuned base."""
        async with self._database.transaction() as session:
            row = await models.held(session)
            former = await self._of(session, row.model_id)
            if former is not None:
                await self._point(session, None, former, member.id, LIVE, "")
        return Moved(None, former)

    async def canary(self, version: int, member: Member, share: int, reason: str = "") -> Moved:
        """Let a share of all conversations (1 to 99 percent) talk to a version. Raises ``UserError`` as above, and
        ``canary_share``, ``canary_is_live``.
        """
        if not 1 <= share <= 99:
            raise UserError("canary_share")
        async with self._database.transaction() as session:
            model = await self._model(session, version)
            row = await models.held(session)
            if row.model_id == model.id:
                raise UserError("canary_is_live", version=version)
            if not await self._tested(session, model, reason):
                raise UserError("not_evaluated_yet", version=version)
            live = await self._of(session, row.model_id)
            if self._two_people and not _agreed(await releases.last(session), model, member, share):
                asked = releases.CANARY_ASKED
                await releases.note(session, asked, member.id, model_id=model.id, reason=f"{share} %")
                return Moved(model, live, waits=True, canary=True)
            await canaries.begin_canary(session, model.id, member.id, share)
            await releases.note(session, releases.CANARY, member.id, model_id=model.id, reason=f"{share} % {reason}")
        return Moved(model, live, canary=True)

    async def rollback(self, member: Member, event: str, alias: str = LIVE, of: int | None = None) -> Moved:
        """Back to what a name meant before, once a request; a canary that runs is ended instead.

        ``of``: only if the name still means this version (0: the base). Raises ``UserError`` if there is no way back or
        it was gone already.
        """
        async with self._database.transaction() as session:
            done = await releases.of_event(session, event)
            if done is not None:
                model, former = await self._of(session, done.model_id), await self._of(session, done.former_id)
                return Moved(model, former, done.alias, canary=done.action == releases.CANARY_ENDED)
            row = await models.held(session, alias)
            before = await self._of(session, row.model_id)
            if of is None:
                await self._not_at_once(session, alias, member)
                if alias == LIVE and (running := await canaries.canary(session)) is not None:
                    await self._end_canary(session, alias, "rollback")
                    ended, live = running.model_id, row.model_id
                    await releases.note(
                        session, releases.CANARY_ENDED, member.id, model_id=live, former_id=ended, event=event
                    )
                    return Moved(before, await self._of(session, running.model_id), canary=True)
            elif of != (before.version if before else 0):
                raise UserError("rolled_back_already" if of else "rolled_back_already_base", version=of)
            if row.model_id == row.former_id:
                raise UserError("nothing_to_roll_back" if alias == LIVE else "alias_unknown", name=alias)
            target = await self._of(session, row.former_id)
            await models.point(session, target.id if target else None, member.id, alias)
            await releases.note(
                session,
                releases.ROLLED_BACK,
                member.id,
                model_id=target.id if target else None,
                former_id=before.id if before else None,
                event=event,
                alias=alias,
            )
        return Moved(target, before, alias)

    async def _point(
        self,
        session: AsyncSession,
        model: TunedModel | None,
        former: TunedModel | None,
        person_id: int | None,
        alias: str,
        reason: str,
    ) -> None:
        await models.point(session, model.id if model else None, person_id, alias)
        model_id, former_id = model.id if model else None, former.id if former else None
        await releases.note(
            session,
            releases.PROMOTED,
            person_id,
            model_id=model_id,
            former_id=former_id,
            reason=reason,
            alias=alias,
        )
        await self._end_canary(session, alias)

    async def _end_canary(self, session: AsyncSession, alias: str, reason: str = "promoted") -> None:
        if alias == LIVE:
            await canaries.end_canary(session, "ended", reason)

    async def _tested(self, session: AsyncSession, model: TunedModel, reason: str) -> bool:
        """Whether a model's tests are over. Raises ``UserError`` where its gates ask for a reason and there is none."""
        if reason:
            return True
        version = model.version
        job = await jobs.get(session, model.job_id)
        if job is not None and job.preset == IMPORTED:
            # Anybody can write into a file that its gates were passed.
            raise UserError("gates_elsewhere", version=version)
        found = await evaluations.of_model(session, model.id)
        state = found.state if found else ""
        if found is not None and isinstance(found.verdict, dict) and state == "done":
            verdict = Verdict.from_json(found.verdict)
            if verdict.passed:
                return True
            if not verdict.failed:
                raise UserError("too_few_questions", version=version, n=verdict.questions)
            raise UserError("gates_failed", version=version, n=len(verdict.failed))
        if state in evaluations.OPEN or (state == "" and self._evaluated):
            return False
        if state == "skipped" and self._evaluated:
            raise UserError("evaluation_skipped", version=version)
        if state == "failed":
            raise UserError("evaluation_failed", version=version)
        return True

    async def _not_at_once(self, session: AsyncSession, alias: str, member: Member) -> None:
        """Raises ``UserError`` if somebody else has just gone back: twice back would be where they came from."""
        last = await releases.last(session, alias)
        if last is None or last.action not in _WENT_BACK or last.person_id in (None, member.id):
            return
        if now() - last.created_at < _AT_ONCE:
            assert last.person_id is not None
            person = await people.get(session, last.person_id)
            raise UserError("rolled_back_just_now", person=person.name if person else "?")

    async def _model(self, session: AsyncSession, version: int) -> TunedModel:
        model = await models.by_version(session, version)
        if model is None:
            raise UserError("model_unknown", version=version)
        if self._draws(model):
            raise UserError("model_draws", model=model.name)
        return model

    async def _of(self, session: AsyncSession, model_id: int | None) -> TunedModel | None:
        return await models.get(session, model_id) if model_id is not None else None


def _agreed(last: Release | None, model: TunedModel, member: Member, share: int | None = None) -> bool:
    """Whether another person wished for the same just before, or for more than a canary's share."""
    if last is None or last.model_id != model.id or last.person_id == member.id:
        return False
    if last.action == releases.ASKED:
        return True
    return share is not None and last.action == releases.CANARY_ASKED and last.reason == f"{share} %"
