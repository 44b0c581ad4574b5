"""state before a finding of misconduct.

Accounts of findings before today count as open before; the default is written by hand.

Revision ID: 0012
Revises: 0011
Create Date: 2026-11-25 21:52:31.963325+08:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.add_column(
        "misconduct_finding",
        sa.Column(
            "was_active",
            sa.Boolean(),
            server_default=sa.true(),
            nullable=False,
            comment="whether the account was open before; so it is afterwards",
        ),
    )
    op.alter_column("misconduct_finding", "was_active", server_default=None)


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.drop_column("misconduct_finding", "was_active")
