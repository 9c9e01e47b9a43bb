"""Every table. Long because a schema is read as one thing; there is no behaviour here."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, MetaData, UniqueConstraint
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from storage.types import BigId, LongText, ShortText, UtcDateTime

Json = dict[str, Any]


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
    """Somebody who was let in. ``language`` is their own choice, if they made one."""

    __tablename__ = "people"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    role: Mapped[str]
    language: Mapped[str | None]
    created_at: Mapped[datetime]


class AccountRow(Table):
    """A person as one platform knows them."""

    __tablename__ = "accounts"
    platform: Mapped[str] = mapped_column(primary_key=True)
    external_id: Mapped[str] = mapped_column(primary_key=True)
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"), index=True)


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

    ``shown``: the messages that replied to it, by the part of the reply, for as long as it is not handled.
    """

    __tablename__ = "updates"
    platform: Mapped[str] = mapped_column(primary_key=True)
    id: Mapped[str] = mapped_column(primary_key=True)
    event: Mapped[str] = mapped_column(LongText)
    attempts: Mapped[int] = mapped_column(default=0)
    received_at: Mapped[datetime] = mapped_column(index=True)
    handled_at: Mapped[datetime | None] = mapped_column(index=True)
    shown: Mapped[Json | None]


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
    __table_args__ = (Index("ix_jobs_state_id", "state", "id"),)
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
    lease_owner: Mapped[str | None]
    lease_until: Mapped[datetime | None]
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
    """What people talk to. An empty ``model_id`` means the untuned base."""

    __tablename__ = "aliases"
    name: Mapped[str] = mapped_column(primary_key=True)
    model_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    former_id: Mapped[int | None] = mapped_column(ForeignKey("models.id"))
    changed_by: Mapped[int | None] = mapped_column(ForeignKey("people.id"))
    changed_at: Mapped[datetime]


class Conversation(Table):
    """One private chat, group or topic. Turns up to ``cleared_at_turn`` are out of its context."""

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


class Turn(Table):
    """One thing said. ``state`` of a person's turn: waiting, answering, answered, superseded;
    of an answer: answering, done, stopped, interrupted, failed, superseded.

    ``message`` shows it; of an answer of several pages the last one, page ``page`` from 0. ``owed``: the chat has not
    got its last word yet. Answers with the same
    ``answer_to`` that were not superseded go on from each other.
    """

    __tablename__ = "turns"
    __table_args__ = (Index("ix_turns_conversation_id", "conversation_id", "id"), Index("ix_turns_state", "state"))
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
    prompt_tokens: Mapped[int | None]
    completion_tokens: Mapped[int | None]
    created_at: Mapped[datetime]


class Rating(Table):
    """What a person thinks of an answer: ``value`` 1 or -1. One of each person and answer."""

    __tablename__ = "ratings"
    __table_args__ = (UniqueConstraint("answer_id", "person_id"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[int] = mapped_column(ForeignKey("turns.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    value: Mapped[int]
    created_at: Mapped[datetime]


class Suggestion(Table):
    """A better answer from a person. ``state``: asked (their next message here is it), given, withdrawn."""

    __tablename__ = "suggestions"
    __table_args__ = (Index("ix_suggestions_person_id_state", "person_id", "state"),)
    id: Mapped[int] = mapped_column(primary_key=True)
    answer_id: Mapped[int] = mapped_column(ForeignKey("turns.id"))
    person_id: Mapped[int] = mapped_column(ForeignKey("people.id"))
    conversation_id: Mapped[int] = mapped_column(ForeignKey("conversations.id"))
    text: Mapped[str] = mapped_column(LongText)
    state: Mapped[str]
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

    ``kind``: ``push`` (sent at most once) or ``edit`` (may be repeated). ``state``: pending, sending, sent,
    unknown (the platform may have taken it), failed, withdrawn (what it tells is no longer so), held (after a
    restore: what it tells may have come since the backup, and may have been sent then).
    """

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_state_due_at", "state", "due_at"),)
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


class Setting(Table):
    """A small fact of the installation itself (a platform's read position, the key of button tokens)."""

    __tablename__ = "settings"
    name: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(LongText)
