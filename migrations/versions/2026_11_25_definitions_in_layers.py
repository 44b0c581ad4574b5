"""definitions in layers, with drafts and a generation

The table of versions keeps its rows under its new name; renaming and trigger are written by hand.

Revision ID: 0011
Revises: 0010
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

RENAMED = (
    ("pk_screen_version", "pk_definition_version"),
    ("uq_screen_version_key_number", "uq_definition_version_key_number"),
)


def upgrade() -> None:
    """Rename and widen the versions; add shipped definitions, drafts and the generation."""
    op.create_table(
        "configuration_generation",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("token", sa.String(length=16), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_configuration_generation_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_configuration_generation")),
    )
    op.create_table(
        "shipped_definition",
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("kind", sa.String(length=20), nullable=False),
        sa.Column("definition", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("checksum", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_shipped_definition")),
    )
    op.create_table(
        "definition_draft",
        sa.Column("key", sa.String(length=60), nullable=False),
        sa.Column("scope", sa.String(length=40), nullable=False, comment="empty: the province"),
        sa.Column("changes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("base_number", sa.Integer(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_by_id", sa.Integer(), nullable=True),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["changed_by_id"],
            ["ab_user.id"],
            name=op.f("fk_definition_draft_changed_by_id_ab_user"),
        ),
        sa.ForeignKeyConstraint(
            ["key"],
            ["shipped_definition.key"],
            name=op.f("fk_definition_draft_key_shipped_definition"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_definition_draft")),
        sa.UniqueConstraint("key", "scope", name=op.f("uq_definition_draft_key_scope")),
    )
    op.rename_table("screen_version", "definition_version")
    op.execute("ALTER SEQUENCE screen_version_id_seq RENAME TO definition_version_id_seq")
    for before, after in RENAMED:
        op.execute(f"ALTER TABLE definition_version RENAME CONSTRAINT {before} TO {after}")
    op.execute(
        "ALTER TABLE application RENAME CONSTRAINT fk_application_form_version_id_screen_version"
        " TO fk_application_form_version_id_definition_version"
    )
    op.drop_constraint("uq_definition_version_key_number", "definition_version")
    op.add_column(
        "definition_version",
        sa.Column(
            "scope",
            sa.String(length=40),
            server_default="",
            nullable=False,
            comment="empty: the province",
        ),
    )
    for name, empty in (("changes", "{}"), ("differences", "[]")):
        op.add_column(
            "definition_version",
            sa.Column(
                name,
                postgresql.JSONB(astext_type=sa.Text()),
                server_default=empty,
                nullable=False,
                comment="[path, before, after] beside the version before"
                if name == "differences"
                else None,
            ),
        )
    op.add_column(
        "definition_version", sa.Column("reason", sa.Text(), server_default="", nullable=False)
    )
    op.add_column(
        "definition_version",
        sa.Column(
            "published_by_id",
            sa.Integer(),
            nullable=True,
            comment="none: the product or the layer below has changed",
        ),
    )
    for name in ("scope", "changes", "differences", "reason"):
        op.alter_column("definition_version", name, server_default=None)
    op.create_unique_constraint(
        op.f("uq_definition_version_key_scope_number"),
        "definition_version",
        ["key", "scope", "number"],
    )
    op.create_foreign_key(
        op.f("fk_definition_version_published_by_id_ab_user"),
        "definition_version",
        "ab_user",
        ["published_by_id"],
        ["id"],
    )
    op.drop_column("definition_version", "checksum")
    op.execute(
        "CREATE TRIGGER definition_version_append_only"
        " BEFORE UPDATE OR DELETE OR TRUNCATE ON public.definition_version"
        " FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()"
    )
    op.execute(
        "ALTER TABLE public.definition_version ENABLE ALWAYS TRIGGER definition_version_append_only"
    )


def downgrade() -> None:
    """Versions without layers; their whole definitions stay."""
    op.execute("DROP TRIGGER definition_version_append_only ON public.definition_version")
    op.add_column(
        "definition_version",
        sa.Column("checksum", sa.String(length=64), server_default="", nullable=False),
    )
    op.alter_column("definition_version", "checksum", server_default=None)
    op.drop_constraint("fk_definition_version_published_by_id_ab_user", "definition_version")
    op.drop_constraint("uq_definition_version_key_scope_number", "definition_version")
    for name in ("published_by_id", "reason", "differences", "changes", "scope"):
        op.drop_column("definition_version", name)
    op.create_unique_constraint(
        "uq_definition_version_key_number", "definition_version", ["key", "number"]
    )
    op.execute(
        "ALTER TABLE application RENAME CONSTRAINT"
        " fk_application_form_version_id_definition_version"
        " TO fk_application_form_version_id_screen_version"
    )
    for before, after in RENAMED:
        op.execute(f"ALTER TABLE definition_version RENAME CONSTRAINT {after} TO {before}")
    op.execute("ALTER SEQUENCE definition_version_id_seq RENAME TO screen_version_id_seq")
    op.rename_table("definition_version", "screen_version")
    op.drop_table("definition_draft")
    op.drop_table("shipped_definition")
    op.drop_table("configuration_generation")
