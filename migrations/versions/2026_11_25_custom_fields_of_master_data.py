"""custom fields of master data.

Loop and functions are written by hand: the functions are those of app/custom_indexes.py on this
day.

Revision ID: 0014
Revises: 0013
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

TABLES = (
    "authority_filing",
    "call_for_applications",
    "committee",
    "dictionary_entry",
    "evaluation_plan",
    "expert",
    "material_requirement",
    "plan_line",
    "reason_code",
    "series",
    "specialty",
    "specialty_group",
    "unit",
)

MAKE_FUNCTION = """
CREATE FUNCTION public.make_custom_index(
  wanted text, on_table text, field text, shape text, way text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  what text;
BEGIN
  IF wanted !~ '^cf_[a-z0-9_]{1,59}$' OR field !~ '^x_[a-z0-9_]{1,50}$'
     OR wanted IS NULL OR field IS NULL OR way NOT IN ('ASC', 'DESC') OR NOT EXISTS (
    SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = on_table
      AND a.attname = 'custom' AND a.atttypid = 'jsonb'::regtype AND NOT a.attisdropped) THEN
    RAISE EXCEPTION 'no index of this kind is made' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND tablename = on_table
      AND indexname LIKE 'cf\\_%') >= 100 THEN
    RAISE EXCEPTION 'too many indexes' USING ERRCODE = 'program_limit_exceeded';
  END IF;
  what := CASE shape
    WHEN 'text' THEN format(
      'btree (left(custom ->> %L, 200) %s NULLS LAST, id %s)', field, way, way)
    WHEN 'number' THEN format(
      'btree ((CASE WHEN jsonb_typeof(custom -> %L) = ''number'''
      ' THEN (custom ->> %L)::numeric END) %s NULLS LAST, id %s)', field, field, way, way)
    WHEN 'set' THEN format('gin ((custom -> %L) jsonb_path_ops)', field)
  END;
  IF what IS NULL THEN
    RAISE EXCEPTION 'no index of this kind is made' USING ERRCODE = 'insufficient_privilege';
  END IF;
  EXECUTE format('CREATE INDEX IF NOT EXISTS %I ON public.%I USING ', wanted, on_table) || what;
  EXECUTE format('ANALYZE public.%I', on_table);
END $$
"""

DROP_FUNCTION = """
CREATE FUNCTION public.drop_custom_index(unwanted text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  on_table text;
BEGIN
  SELECT tablename INTO on_table FROM pg_indexes
    WHERE schemaname = 'public' AND indexname = unwanted;
  IF unwanted !~ '^cf_[a-z0-9_]{1,59}$' OR on_table IS NULL OR NOT EXISTS (
    SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = on_table
      AND a.attname = 'custom' AND a.atttypid = 'jsonb'::regtype AND NOT a.attisdropped) THEN
    RAISE EXCEPTION 'no index of a custom field' USING ERRCODE = 'insufficient_privilege';
  END IF;
  EXECUTE format('DROP INDEX public.%I', unwanted);
END $$
"""

SIGNATURES = (
    "make_custom_index(text, text, text, text, text)",
    "drop_custom_index(text)",
)


def upgrade() -> None:
    """Add the column of custom fields, and what makes and drops their indexes."""
    for table in TABLES:
        op.add_column(
            table,
            sa.Column(
                "custom",
                postgresql.JSONB(astext_type=sa.Text()),
                server_default=sa.text("'{}'::jsonb"),
                nullable=False,
            ),
        )
    op.execute(MAKE_FUNCTION)
    op.execute(DROP_FUNCTION)
    for signature in SIGNATURES:
        op.execute(f"REVOKE EXECUTE ON FUNCTION public.{signature} FROM PUBLIC")


def downgrade() -> None:
    """Take the column away with all that was entered, and with it the indexes."""
    for signature in SIGNATURES:
        op.execute(f"DROP FUNCTION public.{signature}")
    for table in reversed(TABLES):
        op.drop_column(table, "custom")
