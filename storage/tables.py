"""Every table. Long because a schema is read as one thing; there is no behaviour here."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, MetaData, UniqueConstraint, text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.types import BigId, LongText, ShortText, UtcDateTime

Json = dict[str, Any]

_OPEN = text("handled_at IS NULL")
_OWED = text("owed")


class Table(DeclarativeBase):
    """Base of all rows. Constraint names are fixed so that migrations can name them."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map = {int: BigId, str: ShortText, datetime: UtcDateTime, Json: JSON(none_as_null=True)}  # noqa: RUF012


class Person(Table):
    """Somebody who was let in. Their own choices, if they made any: ``language``; ``notify``, where and when they are
    told what became of their jobs.
    """

    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    role: Mapped[str]
    language: Mapped[str | None]
    notify: Mapped[Json | None]
    created_at: Mapped[datetime]


class AccountRow(Table):
    """A person as one platform knows them. ``private_chat``: where they wrote to the bot alone, once they have."""

    __tablename__ = "accounts"
    platform: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    private_chat: Mapped[str | None]


class Code(Table):
    """A one-time code, kept as a digest. ``purpose``: owner, invite or signin (an existing ``person_id``).

    Once it is spent ``person_id`` is whoever spent it.
    """

    __tablename__ = "codes"
    digest: Mapped[str] = mapped_column(primary_key=True)
    purpose: Mapped[str]
    role: Mapped[str]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    spent_at: Mapped[datetime | None]


class WebSession(Table):
    """A signed-in browser, kept as a digest of its token."""

    __tablename__ = "web_sessions"
    digest: Mapped[str] = mapped_column(primary_key=True)
    account: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime]


class UpdateRow(Table):
    """What came in, stored before it is acknowledged; ``handled_at`` is empty until its effects are stored.

    ``shown``: the messages that replied to it, by the part of the reply, for as long as it is not handled. ``answer``:
    what whoever pressed a button was told, once it is handled.
    """

    __tablename__ = "updates"
    __table_args__ = (Index("ix_updates_open", "platform", "chat", sqlite_where=_OPEN, postgresql_where=_OPEN),)
    platform: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    chat: Mapped[str] = mapped_column(default="", server_default="")
    event: Mapped[str] = mapped_column(LongText)
    attempts: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime] = mapped_column(index=True)
    handled_at: Mapped[datetime | None] = mapped_column(index=True)
    shown: Mapped[Json | None]
    answer: Mapped[Json | None]


class Dataset(Table):
    """A named line of versions. ``current`` is the number of the one that is shown and trained on."""

    __tablename__ = "datasets"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    name: Mapped[str]
    kind: Mapped[str] = mapped_column(default="text", server_default="text")
    current: Mapped[int] = mapped_column(default=1, server_default="1")
    created_at: Mapped[datetime]
    deleted_at: Mapped[datetime | None]


class DatasetVersion(Table):
    """One immutable content: the file as it came, its canonical form, and what was found in it.

    ``file_name`` and ``reading`` are what the file was read with. ``canonical_digest`` is empty while errors keep it
    from being trained on. A mended version has ``made_from``, the number of the version before, and ``changes``.
    ``measures``: what takes longer than judging, once it was measured. ``sheets``: digests of the pages of an image
    set's contact sheet.
    """

    __tablename__ = "dataset_versions"
    __table_args__ = (UniqueConstraint("dataset_id", "number"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"))
    number: Mapped[int]
    source_digest: Mapped[str] = mapped_column(index=True)
    canonical_digest: Mapped[str]
    file_name: Mapped[str] = mapped_column(default="", server_default="")
    reading: Mapped[str | None]
    report: Mapped[Json]
    measures: Mapped[Json | None]
    made_from: Mapped[int | None]
    changes: Mapped[Json | None]
    sheets: Mapped[list[str] | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime]


class DatasetShare(Table):
    """Who else may ``read``, ``train`` on or ``edit`` a dataset; without a person: everybody of the team."""

    __tablename__ = "dataset_shares"
    id: Mapped[int] = mapped_column(primary_key=True)
    dataset_id: Mapped[int] = mapped_column(ForeignKey("datasets.id"), index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    right: Mapped[str]
    created_at: Mapped[datetime]


class Album(Table):
    """Pictures that a person sends to one place one by one. ``open_key`` names person and place while the set is open,
    so that there is one at a time; ``card_message`` is the message that is edited; ``full``: a file was left out.
    ``dataset_id``: what it became.
    """

    __tablename__ = "albums"
    id: Mapped[int] = mapped_column(primary_key=True)
    open_key: Mapped[str | None] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    card_message: Mapped[str | None]
    full: Mapped[bool] = mapped_column(default=False)
    dataset_id: Mapped[int | None] = mapped_column(ForeignKey("datasets.id"))
    created_at: Mapped[datetime]


class AlbumFile(Table):
    """A picture or a caption of an album. ``key``: a picture's digest, a caption's name; each is there once."""

    __tablename__ = "album_files"
    __table_args__ = (UniqueConstraint("album_id", "key"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    album_id: Mapped[int] = mapped_column(ForeignKey("albums.id"))
    key: Mapped[str]
    name: Mapped[str]
    digest: Mapped[str]
    size: Mapped[int]
    picture: Mapped[bool]


class Job(Table):
    """A fine-tune job. ``key`` is its idempotency key; ``card_message`` the message that is edited while it runs.

    ``data_digest``: of the canonical form that it was made for. ``attempt`` counts starts of the trainer, ``run`` how
    often a person had it go on after it had ended: each run has one end to tell.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state_id", "state", "id"),
        Index("ix_jobs_card_message", "card_message", "platform", "chat"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    language: Mapped[str]
    platform: Mapped[str]
    chat: Mapped[str]
    thread: Mapped[str]
    place_kind: Mapped[str]
    request_message: Mapped[str | None]
    card_message: Mapped[str | None]
    dataset_version_id: Mapped[int] = mapped_column(ForeignKey("dataset_versions.id"))
    provider: Mapped[str]
    base: Mapped[str]
    preset: Mapped[str]
    name: Mapped[str]
    seed: Mapped[int]
    validation_share: Mapped[float]
    data_digest: Mapped[str] = mapped_column(default="", server_default="")
    hyperparameters: Mapped[Json]
    line: Mapped[str] = mapped_column(LongText)
    plan: Mapped[Json]
    state: Mapped[str]
    word: Mapped[str]
    handle: Mapped[str | None]
    attempt: Mapped[int] = mapped_column(default=1)
    run: Mapped[int] = mapped_column(default=1, server_default="1")
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    progress: Mapped[Json] = mapped_column(default=dict)
    failure: Mapped[Json | None]
    created_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]


class JobEvent(Table):
    """One change in a job's life, for ``/log_N``."""

    __tablename__ = "job_events"
    id: Mapped[int] = mapped_column(primary_key=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), index=True)
    at: Mapped[datetime]
    state: Mapped[str]
    word: Mapped[str]
    attempt: Mapped[int]


class TunedModel(Table):
    """What a job made. System prompt and sampling travel with it; ``version`` is the number in ``/use_v4``."""

    __tablename__ = "models"
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int] = mapped_column(unique=True)
    job_id: Mapped[int] = mapped_column(ForeignKey("jobs.id"), unique=True)
    name: Mapped[str]
    provider: Mapped[str]
    base: Mapped[str]
    external_id: Mapped[str]
    system_prompt: Mapped[str] = mapped_column(LongText)
    sampling: Mapped[Json]
    validation_before: Mapped[float | None]
    validation_after: Mapped[float | None]
    created_at: Mapped[datetime]


class Alias(Table):
    """What people talk to by a name. ``live`` is what everybody talks to: an empty ``model_id`` means the untuned base
    there. Any other name without a model names nothing.
    """

    __tablename__ = "aliases"
    name: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    former_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    changed_at: Mapped[datetime]


class Conversation(Table):
    """One private chat, group or topic. Turns up to ``cleared_at_turn`` are out of its context. ``persona``: the system
    prompt that people chose, instead of the one that its model was trained with.
    """

    __tablename__ = "conversations"
    __table_args__ = (UniqueConstraint("platform", "chat", "thread"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    platform: Mapped[str]
    chat: Mapped[str]
    thread: Mapped[str]
    kind: Mapped[str]
    cleared_at_turn: Mapped[int] = mapped_column(default=0)
    trim_told: Mapped[bool] = mapped_column(default=False)
    base_told: Mapped[bool] = mapped_column(default=False)
    persona: Mapped[str | None] = mapped_column(LongText)


class Turn(Table):
    """One thing said. ``state`` of a person's turn: waiting, answering, answered, superseded;
    of an answer: answering, done, stopped, interrupted, failed, superseded.

    ``message`` shows it; of an answer of several pages the last one, page ``page`` from 0. ``owed``: the chat has not
    got its last word yet. ``answer_to``: the last question that an answer answers; answers with the same one that were
    not superseded go on from each other. ``answered_with``: of a question the last one of those answered with it.
    """

    __tablename__ = "turns"
    __table_args__ = (
        Index("ix_turns_conversation_id", "conversation_id", "id"),
        Index("ix_turns_message", "conversation_id", "message"),
        Index("ix_turns_state", "state"),
        Index("ix_turns_owed", "conversation_id", sqlite_where=_OWED, postgresql_where=_OWED),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    language: Mapped[str]
    role: Mapped[str]
    text: Mapped[str] = mapped_column(LongText)
    state: Mapped[str]
    model: Mapped[str | None]
    message: Mapped[str | None]
    page: Mapped[int | None]
    owed: Mapped[bool] = mapped_column(default=False)
    answer_to: Mapped[int | None]
    answered_with: Mapped[int | None]
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    created_at: Mapped[datetime]


class Rating(Table):
    """What a person thinks of an answer: ``value`` 1 or -1, 0 once it was taken back. One of each person and answer.

    ``event``: the press that changed it last.
    """

    __tablename__ = "ratings"
    __table_args__ = (UniqueConstraint("answer_id", "person_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[int] = mapped_column(ForeignKey("turns.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    value: Mapped[int]
    event: Mapped[str | None]
    created_at: Mapped[datetime]


class Suggestion(Table):
    """A better answer from a person. ``state``: asked (their next message here is it), given, withdrawn.

    ``message``: the one that it came in.
    """

    __tablename__ = "suggestions"
    __table_args__ = (Index("ix_suggestions_person_id_state", "person_id", "state"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[int] = mapped_column(ForeignKey("turns.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    text: Mapped[str] = mapped_column(LongText)
    state: Mapped[str]
    message: Mapped[str | None]
    created_at: Mapped[datetime]


class Chat(Table):
    """What is known of a chat beyond its conversations. ``state``: open, or shut (the bot may not write there)."""

    __tablename__ = "chats"
    platform: Mapped[str] = mapped_column(primary_key=True)
    chat: Mapped[str] = mapped_column(primary_key=True)
    state: Mapped[str]
    changed_at: Mapped[datetime]


class OutboxRow(Table):
    """Something that a person must see, stored in the same transaction as the fact that it tells.

    ``kind``: ``push`` (sent at most once); ``edit``, ``sign`` (a small sign at a message) and ``post`` (to a person's
    own address) may be repeated. ``state``: pending, sending, sent, unknown (the platform may have taken it), told
    (the same, and it was told at the next contact), failed, withdrawn (what it tells is no longer so), held (after a
    restore: what it tells may have come since the backup, and may have been sent then).
    """

    __tablename__ = "outbox"
    __table_args__ = (
        Index("ix_outbox_state_due_at", "state", "due_at"),
        Index("ix_outbox_chat", "platform", "chat"),
    )
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    kind: Mapped[str]
    subject: Mapped[str]
    platform: Mapped[str]
    chat: Mapped[str]
    thread: Mapped[str]
    place_kind: Mapped[str]
    message: Mapped[str | None]
    reply_to: Mapped[str | None]
    language: Mapped[str]
    payload: Mapped[Json]
    state: Mapped[str]
    attempts: Mapped[int] = mapped_column(default=0)
    due_at: Mapped[datetime]
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class ButtonRow(Table):
    """What a button does: kept here, so that the wire carries a token only. ``person_id``: the only one who may."""

    __tablename__ = "buttons"
    token: Mapped[str] = mapped_column(primary_key=True)
    action: Mapped[str]
    payload: Mapped[Json]
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    once: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class WebMessage(Table):
    """A message on the web page. ``revision`` grows over all rooms with every change."""

    __tablename__ = "web_messages"
    __table_args__ = (Index("ix_web_messages_room_revision", "room", "revision"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    room: Mapped[str]
    author: Mapped[str]
    key: Mapped[str] = mapped_column(unique=True)
    body: Mapped[Json]
    revision: Mapped[int]
    created_at: Mapped[datetime]


class Replica(Table):
    """A process of this bot. It lives ``until`` then unless it says so again; what it held is free after that."""

    __tablename__ = "replicas"
    id: Mapped[str] = mapped_column(primary_key=True)
    started_at: Mapped[datetime]
    until: Mapped[datetime]


class Lease(Table):
    """Something that one process at a time may do: a chat's work, the watching of a provider's jobs."""

    __tablename__ = "leases"
    name: Mapped[str] = mapped_column(primary_key=True)
    owner: Mapped[str] = mapped_column(index=True)
    taken_at: Mapped[datetime]


class Setting(Table):
    """A small fact of the installation itself (a platform's read position, the key of button tokens)."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(LongText)


class LedgerRow(Table):
    """A line of the money ledger, which only grows. ``micros``: millionths of the currency's unit, negative where
    something is taken back.

    ``kind``: reserve and release (of an estimate while a job is open), assume and unassume (a cost that nobody told),
    spend (one that was told), chat (an answer, with the tokens that its provider told; None where it told none).
    ``key`` names the fact, so that it is booked once. ``source``: where the price is from, empty where none is known.
    """

    __tablename__ = "ledger"
    __table_args__ = (Index("ix_ledger_month_currency", "month", "currency"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(unique=True)
    at: Mapped[datetime]
    month: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"), index=True)
    provider: Mapped[str]
    kind: Mapped[str]
    micros: Mapped[int]
    currency: Mapped[str]
    source: Mapped[str] = mapped_column(LongText)
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]


class BudgetRow(Table):
    """How much may be spent in a month, as it was set; the newest of a scope and currency is in force.

    ``scope``: ``team``, ``person:<id>``, or ``approval`` (above that a lead has to approve). ``micros``: None for no
    limit any more.
    """

    __tablename__ = "budgets"
    __table_args__ = (Index("ix_budgets_scope_currency", "scope", "currency"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    scope: Mapped[str]
    currency: Mapped[str]
    micros: Mapped[int | None]
    set_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    set_at: Mapped[datetime]


class Approval(Table):
    """A run that waits for a lead. ``intent``: of whoever confirmed it; ``state``: pending, approved (it became
    ``job_id``), refused, withdrawn (by whoever asked).
    """

    __tablename__ = "approvals"
    id: Mapped[int] = mapped_column(primary_key=True)
    intent: Mapped[str] = mapped_column(unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    run: Mapped[Json]
    request: Mapped[Json]
    estimate: Mapped[Json | None]
    state: Mapped[str] = mapped_column(index=True)
    decided_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    decided_at: Mapped[datetime | None]
    job_id: Mapped[int | None] = mapped_column(ForeignKey("jobs.id"))
    created_at: Mapped[datetime]


class Channel(Table):
    """A channel of Discord's in which somebody spoke to the bot. ``guild`` is empty in direct messages; ``seen``: the
    newest id there that was stored; ``open``: whether the bot may write.
    """

    __tablename__ = "channels"
    channel: Mapped[str] = mapped_column(primary_key=True)
    guild: Mapped[str]
    seen: Mapped[int] = mapped_column(index=True)
    open: Mapped[bool] = mapped_column(default=True)


class Anchor(Table):
    """The message that shows a slash command to its channel, for answers to stand under."""

    __tablename__ = "anchors"
    interaction: Mapped[str] = mapped_column(primary_key=True)
    message: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)


class Linked(Table):
    """Two people who turned out to be one: ``former_id`` is gone, all that was theirs belongs to ``person_id``."""

    __tablename__ = "linked_people"
    former_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    at: Mapped[datetime]


class Evaluation(Table):
    """Whether a tuned model is better than its base. ``state``: queued, asking, measuring, done, failed, or skipped (of
    models older than evaluations). ``picture`` and ``answers`` are digests of files. ``lease_owner``, a process,
    works on it until ``lease_until``; whoever finds a lease that ran out, or whose process lives no more, goes on.
    """

    __tablename__ = "evaluations"
    __table_args__ = (Index("ix_evaluations_state", "state"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"), unique=True)
    state: Mapped[str]
    progress: Mapped[Json] = mapped_column(default=dict)
    verdict: Mapped[Json | None]
    picture: Mapped[str | None]
    answers: Mapped[str | None]
    failure: Mapped[Json | None]
    attempt: Mapped[int] = mapped_column(default=0)
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Vote(Table):
    """What a person chose in a blind pair: ``winner`` is tuned, other or equal. One of each person and pair."""

    __tablename__ = "votes"
    __table_args__ = (UniqueConstraint("evaluation_id", "other", "question", "person_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    evaluation_id: Mapped[int] = mapped_column(ForeignKey("evaluations.id"))
    other: Mapped[str]
    question: Mapped[str]
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    winner: Mapped[str]
    created_at: Mapped[datetime]


class Release(Table):
    """A change of what people talk to, with who made it and why. An empty model is the untuned base. ``action``: asked
    (a second person has to agree), promoted, rolled_back, canary_asked, canary, canary_ended, awaited (to be promoted
    once its gates are passed), withdrawn, lapsed. ``alias``: the name that moved.
    ``event`` names the request, so that none counts twice.
    """

    __tablename__ = "releases"
    id: Mapped[int] = mapped_column(primary_key=True)
    alias: Mapped[str] = mapped_column(default="live", server_default="live")
    event: Mapped[str | None] = mapped_column(unique=True)
    action: Mapped[str]
    model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    former_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    reason: Mapped[str] = mapped_column(LongText)
    created_at: Mapped[datetime]


class AuditRow(Table):
    """Something that somebody did and that no other row tells. Only ever added.

    ``kind`` and ``facts``: see :class:`storage.repositories.audit.Act`.
    """

    __tablename__ = "audit"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"), index=True)
    kind: Mapped[str]
    facts: Mapped[Json]


class Consent(Table):
    """A person agreed that what they suggest and rate may become training data. Gone when they take it back."""

    __tablename__ = "consents"
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), primary_key=True)
    created_at: Mapped[datetime]


class Review(Table):
    """What a trainer decided on a suggestion or on an answer that people liked: ``state`` accepted or rejected. ``row``
    is what it becomes, question and answer, masked; ``dataset_version_id`` the version that took it in.
    """

    __tablename__ = "reviews"
    id: Mapped[int] = mapped_column(primary_key=True)
    suggestion_id: Mapped[int | None] = mapped_column(ForeignKey("suggestions.id"), unique=True)
    answer_id: Mapped[int | None] = mapped_column(ForeignKey("turns.id"), unique=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    state: Mapped[str]
    row: Mapped[Json | None]
    dataset_version_id: Mapped[int | None] = mapped_column(ForeignKey("dataset_versions.id"))
    created_at: Mapped[datetime]


class Trial(Table):
    """A private conversation that talks to another model than everybody: with an ``alias`` to whatever that names,
    which was ``model_id`` when it began.
    """

    __tablename__ = "trials"
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"), primary_key=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"))
    alias: Mapped[str | None]
    created_at: Mapped[datetime]


class Canary(Table):
    """A model that a share (percent) of all conversations talks to. ``state``: running, returned (by itself, for
    ``reason``: errors or thumbs), ended (by a person). ``open_key`` is there while it runs: one at a time.
    """

    __tablename__ = "canaries"
    id: Mapped[int] = mapped_column(primary_key=True)
    open_key: Mapped[str | None] = mapped_column(unique=True)
    model_id: Mapped[int] = mapped_column(ForeignKey("models.id"))
    person_id: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    share: Mapped[int]
    state: Mapped[str]
    reason: Mapped[str]
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
