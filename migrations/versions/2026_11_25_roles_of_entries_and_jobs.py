"""every role in an audit entry, roles of background jobs (written by hand).

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-25 22:10:00+08:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

FILL_IN = """
    UPDATE background_job SET roles = coalesce(
        (SELECT jsonb_agg(ab_role.name ORDER BY ab_role.name) FROM ab_user_role
         JOIN ab_role ON ab_role.id = ab_user_role.role_id
         WHERE ab_user_role.user_id = background_job.account_id AND ab_role.name IN (
            'applicant', 'unit_admin', 'unit_handler', 'competent_department', 'hrss',
            'province_hrss', 'committee_office', 'expert', 'chair', 'supervisor', 'system_admin',
            'security_admin', 'audit_admin')), '[]')
"""
"""A job of before goes on under the roles its account holds, as it would have."""


def upgrade() -> None:
    """Bring the tables to this revision; a wider column rewrites no entry, so the chain holds."""
    op.alter_column(
        "audit_entry",
        "role",
        type_=sa.String(200),
        existing_type=sa.String(40),
        comment="every role of the actor, with commas",
        existing_nullable=False,
    )
    op.add_column(
        "background_job",
        sa.Column(
            "roles",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="those that opened the page it was asked on",
        ),
    )
    op.execute(FILL_IN)
    op.alter_column("background_job", "roles", nullable=False)


def downgrade() -> None:
    """Take the tables back to the revision before; refused where an entry has longer roles."""
    op.drop_column("background_job", "roles")
    op.alter_column(
        "audit_entry",
        "role",
        type_=sa.String(40),
        existing_type=sa.String(200),
        comment=None,
        existing_comment="every role of the actor, with commas",
        existing_nullable=False,
    )
