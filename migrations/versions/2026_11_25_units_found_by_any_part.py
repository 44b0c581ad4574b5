"""Units are found by any part of their name, and paths compare byte by byte (written by hand).

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-25 09:00:00+08:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

CHINESE = "\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"

ADD_WORDS = """
    UPDATE unit SET search = array_to_tsvector(ARRAY(
        SELECT word FROM (
            SELECT unnest(tsvector_to_array(coalesce(search, ''::tsvector))) AS word
            UNION SELECT substr(pinyin, start) FROM generate_series(1, length(pinyin)) AS start
            UNION SELECT lower(found[1])
                FROM regexp_matches(name, '([CHINESE])(?![CHINESE])', 'g') AS found
            UNION SELECT lower(code) FROM unit_code_alias WHERE unit_code_alias.unit_id = unit.id
        ) AS words WHERE word <> ''))""".replace("CHINESE", CHINESE)
"""As `search_words` does: the last character of each run, the initials from each letter on."""


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.drop_index("ix_unit_path", table_name="unit")
    op.alter_column(
        "unit",
        "path",
        type_=sa.String(200, collation="C"),
        existing_type=sa.String(200),
        comment="compared byte by byte",
        existing_nullable=False,
    )
    op.create_index("ix_unit_path", "unit", ["path"])
    op.execute(ADD_WORDS)


def downgrade() -> None:
    """Take the tables back to the revision before; the words more do no harm."""
    op.drop_index("ix_unit_path", table_name="unit")
    op.alter_column(
        "unit",
        "path",
        type_=sa.String(200, collation="default"),
        existing_type=sa.String(200, collation="C"),
        comment=None,
        existing_comment="compared byte by byte",
        existing_nullable=False,
    )
    op.create_index("ix_unit_path", "unit", ["path"], postgresql_ops={"path": "text_pattern_ops"})
