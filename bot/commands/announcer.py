"""Cards that nobody asked for just now: the running job's, the notice of its end, the buttons of answers."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy.ext.asyncio import AsyncSession

from bot.answering.clock import Clock, SystemClock
from bot.answering.courier import Courier
from bot.answering.relay import Buttons
from bot.cards import answer, job, releases, verdict
from bot.chat.content import Answer, AnswerState, Card, Content
from bot.chat.keypad import Keypad
from bot.chat.places import MessageRef
from bot.locales import Translator, translator
from bot.services.access import Access
from bot.services.keys import Keys
from bot.services.money import Money
from bot.services.proof import Proof
from bot.services.releases import Releases
from bot.services.replies import Ending
from bot.services.training import Training
from finetune.jobs import JobState
from storage.clock import now
from storage.tables import Job


class Announcer:
    """Renders what the outbox and the watcher tell."""

    def __init__(
        self,
        courier: Courier,
        keys: Keys,
        access: Access,
        training: Training,
        releases: Releases,
        money: Money,
        clock: Clock | None = None,
        proof: Proof | None = None,
    ) -> None:
        self._proof = proof
        self._courier = courier
        self._keys = keys
        self._access = access
        self._training = training
        self._releases = releases
        self._money = money
        self._clock = clock or SystemClock()
        # When each running job's card was last shown, and in which state.
        self._shown: dict[int, tuple[float, str]] = {}

    async def render(self, subject: str, payload: Mapping[str, Any], language: str) -> Content:
        """What an outbox entry shows: a job's card (``job``), how it ended (``done``), what came of its model
        (``verdict``), that its canary was taken back (``canary``)."""
        t = translator(language)
        found, before = await self._training.get(payload["job"])
        step = await self._training.checkpoint(found)
        if subject == "canary":
            return verdict.canary(t, found.name, payload)
        if subject == "verdict":
            made = await self._releases.of_job(found.id)
            assert made is not None
            assert self._proof is not None
            shown = await self._proof.shown(made)
            lines = [
                releases.settled(
                    t, made.version, wish["outcome"], wish["alias"], await self._access.name(wish["person"])
                )
                for wish in payload.get("wishes", ())
            ]
            live = await self._releases.live()
            # Whoever may not promote is told so by the button.
            may = live is None or live.id != made.id
            return await self._keys.make(lambda keypad: verdict.report(t, keypad, shown, may_promote=may, lines=lines))
        if subject == "job":
            cost = await self._money.cost(found) if JobState(found.state).ended else None
            return await self._keys.make(lambda keypad: job.progress(t, keypad, found, before, now(), step, cost))
        cost = await self._money.final(found)
        model = await self._releases.of_job(found.id)
        live = await self._releases.live()
        person = await self._access.name(found.person_id)

        def make(keypad: Keypad) -> Card:
            is_live = live is not None and model is not None and live.id == model.id
            return job.done(t, keypad, found, model, person, is_live, step, cost)

        return await self._keys.make(make)

    async def facts(self, payload: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]]:
        """What a notice tells, for programs: its kind (``job.succeeded``) and the job as plain data."""
        found, _ = await self._training.get(payload["job"])
        model = await self._releases.of_job(found.id)
        data = {
            "job": found.id,
            "run": found.run,
            "name": found.name,
            "state": found.state,
            "provider": found.provider,
            "base": found.base,
            "model": None if model is None else {"version": model.version, "id": model.external_id},
            "failure": None if found.failure is None else found.failure.get("code"),
            "started_at": None if found.started_at is None else found.started_at.isoformat(),
            "ended_at": None if found.ended_at is None else found.ended_at.isoformat(),
        }
        return f"job.{found.state}", data

    async def preview(self, ref: MessageRef, found: Job) -> None:
        """Bring a running job's card up to date, as often as its platform bears."""
        at, state = self._shown.get(found.id, (float("-inf"), ""))
        if state == found.state and self._clock.now() - at < self._courier.progress_interval(ref.place):
            return
        self._shown[found.id] = (self._clock.now(), found.state)
        t = translator(found.language)
        _, before = await self._training.get(found.id)
        card = await self._keys.make(lambda keypad: job.progress(t, keypad, found, before, now()))
        self._courier.preview(ref, card)

    async def during(self, t: Translator, answer_id: int, session: AsyncSession) -> Buttons:
        """The buttons of an answer that is being made."""

        def make(keypad: Keypad) -> Answer:
            return Answer("", AnswerState.WAITING, "", answer.during(t, keypad, answer_id))

        return (await self._keys.make(make, session)).buttons

    async def after(
        self, t: Translator, answer_id: int, ending: Ending, session: AsyncSession | None = None
    ) -> Buttons:
        """The buttons of an answer that is done."""
        rateable = ending.state == "done"

        def make(keypad: Keypad) -> Answer:
            buttons = answer.after(t, keypad, answer_id, rateable=rateable, unfinished=ending.unfinished)
            return Answer("", AnswerState.DONE, "", buttons)

        return (await self._keys.make(make, session)).buttons
