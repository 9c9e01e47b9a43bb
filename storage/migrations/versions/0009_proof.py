"""Evaluations of tuned models, people's votes, releases, and better answers on their way into a dataset

Revision: 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_BIG = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply. Tables are added only. Models that are older than evaluations are not evaluated by themselves."""
    op.create_table(
        "evaluations",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("model_id", _BIG, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("progress", sa.JSON(none_as_null=True), nullable=False),
        sa.Column("verdict", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("picture", sa.String(), nullable=True),
        sa.Column("answers", sa.String(), nullable=True),
        sa.Column("failure", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("attempt", _BIG, nullable=False),
        sa.Column("lease_owner", sa.String(), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_evaluations_model_id_models")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_evaluations")),
        sa.UniqueConstraint("model_id", name=op.f("uq_evaluations_model_id")),
    )
    op.create_index("ix_evaluations_state", "evaluations", ["state"])
    op.execute(
        "INSERT INTO evaluations (model_id, state, progress, attempt, created_at)"
        " SELECT id, 'skipped', '{}', 0, created_at FROM models"
    )
    op.create_table(
        "votes",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("evaluation_id", _BIG, nullable=False),
        sa.Column("other", sa.String(), nullable=False),
        sa.Column("question", sa.String(), nullable=False),
        sa.Column("person_id", _BIG, nullable=False),
        sa.Column("winner", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["evaluation_id"], ["evaluations.id"], name=op.f("fk_votes_evaluation_id_evaluations")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_votes_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_votes")),
        sa.UniqueConstraint("evaluation_id", "other", "question", "person_id", name=op.f("uq_votes_evaluation_id")),
    )
    op.create_table(
        "releases",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("event", sa.String(), nullable=True),
        sa.Column("action", sa.String(), nullable=False),
        sa.Column("model_id", _BIG, nullable=True),
        sa.Column("former_id", _BIG, nullable=True),
        sa.Column("person_id", _BIG, nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_releases_model_id_models")),
        sa.ForeignKeyConstraint(["former_id"], ["models.id"], name=op.f("fk_releases_former_id_models")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_releases_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_releases")),
        sa.UniqueConstraint("event", name=op.f("uq_releases_event")),
    )
    op.create_table(
        "consents",
        sa.Column("person_id", _BIG, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_consents_person_id_people")),
        sa.PrimaryKeyConstraint("person_id", name=op.f("pk_consents")),
    )
    op.create_table(
        "reviews",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("suggestion_id", _BIG, nullable=True),
        sa.Column("answer_id", _BIG, nullable=True),
        sa.Column("person_id", _BIG, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("row", sa.JSON(none_as_null=True), nullable=True),
        sa.Column("dataset_version_id", _BIG, nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["dataset_version_id"], ["dataset_versions.id"], name=op.f("fk_reviews_dataset_version_id_dataset_versions")
        ),
        sa.ForeignKeyConstraint(["answer_id"], ["turns.id"], name=op.f("fk_reviews_answer_id_turns")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_reviews_person_id_people")),
        sa.ForeignKeyConstraint(
            ["suggestion_id"], ["suggestions.id"], name=op.f("fk_reviews_suggestion_id_suggestions")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reviews")),
        sa.UniqueConstraint("suggestion_id", name=op.f("uq_reviews_suggestion_id")),
        sa.UniqueConstraint("answer_id", name=op.f("uq_reviews_answer_id")),
    )
    op.create_table(
        "trials",
        sa.Column("conversation_id", _BIG, nullable=False),
        sa.Column("model_id", _BIG, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["conversation_id"], ["conversations.id"], name=op.f("fk_trials_conversation_id_conversations")
        ),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_trials_model_id_models")),
        sa.PrimaryKeyConstraint("conversation_id", name=op.f("pk_trials")),
    )
    op.create_table(
        "canaries",
        sa.Column("id", _BIG, nullable=False),
        sa.Column("open_key", sa.String(), nullable=True),
        sa.Column("model_id", _BIG, nullable=False),
        sa.Column("person_id", _BIG, nullable=True),
        sa.Column("share", _BIG, nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_canaries_model_id_models")),
        sa.ForeignKeyConstraint(["person_id"], ["people.id"], name=op.f("fk_canaries_person_id_people")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_canaries")),
        sa.UniqueConstraint("open_key", name=op.f("uq_canaries_open_key")),
    )
