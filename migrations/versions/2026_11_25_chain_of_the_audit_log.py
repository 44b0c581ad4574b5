"""the chain of the audit log, and tables that are only added to.

Functions and triggers are written by hand: they are those of app/append_only.py on this day.

Revision ID: 0007
Revises: 0006
Create Date: 2026-11-25 09:00:00.000000+08:00
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

APPEND_ONLY = (
    "application_event",
    "audit_anchor",
    "audit_entry",
    "audit_link",
    "personal_data_read",
)

REFUSE_FUNCTION = """
CREATE FUNCTION public.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege';
END $$
"""

LINK_FUNCTION = """
CREATE FUNCTION public.link_audit_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  head_number bigint;
  head_hash text;
BEGIN
  IF TG_RELID <> 'public.audit_entry'::regclass THEN
    RAISE EXCEPTION 'only audit_entry is chained' USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM pg_advisory_xact_lock(4158070919);
  SELECT number, hash INTO head_number, head_hash
    FROM public.audit_link ORDER BY number DESC LIMIT 1;
  head_number := coalesce(head_number, 0) + 1;
  head_hash := coalesce(head_hash, repeat('0', 64));
  INSERT INTO public.audit_link (number, entry_id, previous_hash, hash)
    VALUES (head_number, NEW.id, head_hash,
      encode(sha256(convert_to(jsonb_build_array(head_hash, head_number, NEW.id, extract(epoch FROM NEW.recorded_at)::text, extract(epoch FROM NEW.at)::text, NEW.account_id, NEW.actor_name, NEW.role, NEW.unit_id, NEW.address, NEW.action, NEW.object_type, NEW.object_id, NEW.before::text, NEW.after::text, NEW.reason)::text, 'UTF8')), 'hex'));
  RETURN NULL;
END $$
"""

LINK_TRIGGER = """
CREATE CONSTRAINT TRIGGER audit_entry_link AFTER INSERT ON public.audit_entry
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.link_audit_entry()
"""

LINK_WHAT_IS_THERE = """
DO $$
DECLARE
  entry public.audit_entry%ROWTYPE;
  head text := repeat('0', 64);
  number bigint := 0;
  link text;
BEGIN
  FOR entry IN SELECT * FROM public.audit_entry ORDER BY id LOOP
    number := number + 1;
    link := encode(sha256(convert_to(jsonb_build_array(head, number, entry.id, extract(epoch FROM entry.recorded_at)::text, extract(epoch FROM entry.at)::text, entry.account_id, entry.actor_name, entry.role, entry.unit_id, entry.address, entry.action, entry.object_type, entry.object_id, entry.before::text, entry.after::text, entry.reason)::text, 'UTF8')), 'hex');
    INSERT INTO public.audit_link (number, entry_id, previous_hash, hash)
      VALUES (number, entry.id, head, link);
    head := link;
  END LOOP;
END $$
"""


def upgrade() -> None:
    """Bring the tables to this revision."""
    op.create_table(
        "audit_anchor",
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "line_hash", sa.String(length=64), nullable=False, comment="SHA-256 of the line on file"
        ),
        sa.Column("id", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_anchor")),
    )
    op.create_index(op.f("ix_audit_anchor_number"), "audit_anchor", ["number"], unique=False)
    op.create_table(
        "audit_link",
        sa.Column("number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.Integer(), nullable=False),
        sa.Column("previous_hash", sa.String(length=64), nullable=False),
        sa.Column("hash", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["entry_id"], ["audit_entry.id"], name=op.f("fk_audit_link_entry_id_audit_entry")
        ),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_audit_link")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_audit_link_entry_id")),
    )
    op.execute("LOCK TABLE audit_entry IN SHARE ROW EXCLUSIVE MODE")
    op.execute(LINK_WHAT_IS_THERE)
    for function in (REFUSE_FUNCTION, LINK_FUNCTION):
        op.execute(function)
    op.execute("REVOKE EXECUTE ON FUNCTION public.refuse_change() FROM PUBLIC")
    op.execute("REVOKE EXECUTE ON FUNCTION public.link_audit_entry() FROM PUBLIC")
    for table in APPEND_ONLY:
        op.execute(
            f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE"
            f" ON public.{table} FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()"
        )
        op.execute(f"ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER {table}_append_only")
    op.execute(LINK_TRIGGER)


def downgrade() -> None:
    """Take the tables back to the revision before."""
    op.execute("DROP TRIGGER audit_entry_link ON public.audit_entry")
    for table in APPEND_ONLY:
        op.execute(f"DROP TRIGGER {table}_append_only ON public.{table}")
    op.execute("DROP FUNCTION public.link_audit_entry()")
    op.execute("DROP FUNCTION public.refuse_change()")
    op.drop_table("audit_link")
    op.drop_index(op.f("ix_audit_anchor_number"), table_name="audit_anchor")
    op.drop_table("audit_anchor")
