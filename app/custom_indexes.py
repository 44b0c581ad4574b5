"""Indexes of custom fields: what the database makes for the application, which has no DDL; no
behaviour.

A province adds a field in the browser and its index follows by itself. The process that makes it
connects as the application, which owns nothing, and the owner's password stays with the unit that
prepares the database. So the owner leaves two functions behind that run with its rights and can do
nothing else than make, or drop, an index of one of three shapes on a table with a column `custom`,
for a field whose name is one. An index is made inside a transaction, not concurrently: that keeps
writers of one master-data table waiting for its second, readers never, and leaves no invalid index
behind when it fails.

`create_all` takes the DDL from here, production from the migrations; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import Connection, MetaData, event, text

SORTED_LENGTH: Final = 200
"""Texts are sorted by so many characters: an entry of an index holds at most 2,704 bytes."""

MOST_INDEXES: Final = 100
"""On one table."""

_HAS_CUSTOM = """EXISTS (
    SELECT FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND c.relname = on_table
      AND a.attname = 'custom' AND a.atttypid = 'jsonb'::regtype AND NOT a.attisdropped)"""

MAKE_FUNCTION = f"""
CREATE FUNCTION public.make_custom_index(
  wanted text, on_table text, field text, shape text, way text
) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  what text;
BEGIN
  IF wanted !~ '^cf_[a-z0-9_]{{1,59}}$' OR field !~ '^x_[a-z0-9_]{{1,50}}$'
     OR wanted IS NULL OR field IS NULL OR way NOT IN ('ASC', 'DESC') OR NOT {_HAS_CUSTOM} THEN
    RAISE EXCEPTION 'no index of this kind is made' USING ERRCODE = 'insufficient_privilege';
  END IF;
  IF (SELECT count(*) FROM pg_indexes WHERE schemaname = 'public' AND tablename = on_table
      AND indexname LIKE 'cf\\_%') >= {MOST_INDEXES} THEN
    RAISE EXCEPTION 'too many indexes' USING ERRCODE = 'program_limit_exceeded';
  END IF;
  what := CASE shape
    WHEN 'text' THEN format(
      'btree (left(custom ->> %L, {SORTED_LENGTH}) %s NULLS LAST, id %s)', field, way, way)
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
"""  # noqa: S608 -- our own words only

DROP_FUNCTION = f"""
CREATE FUNCTION public.drop_custom_index(unwanted text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  on_table text;
BEGIN
  SELECT tablename INTO on_table FROM pg_indexes
    WHERE schemaname = 'public' AND indexname = unwanted;
  IF unwanted !~ '^cf_[a-z0-9_]{{1,59}}$' OR on_table IS NULL OR NOT {_HAS_CUSTOM} THEN
    RAISE EXCEPTION 'no index of a custom field' USING ERRCODE = 'insufficient_privilege';
  END IF;
  EXECUTE format('DROP INDEX public.%I', unwanted);
END $$
"""  # noqa: S608 -- our own words only

FUNCTIONS: Final[Mapping[str, str]] = {
    "make_custom_index(text, text, text, text, text)": MAKE_FUNCTION,
    "drop_custom_index(text)": DROP_FUNCTION,
}
"""By signature; the application's role alone may call them (`services/database_rights.py`)."""


def provide(metadata: MetaData) -> None:
    """Have `create_all` write the functions after the tables, `drop_all` drop them."""

    @event.listens_for(metadata, "after_create")
    def create(_target: Any, connection: Connection, *, tables: Any, **_more: Any) -> None:
        if not any("custom" in table.columns for table in tables):
            return
        for signature, statement in FUNCTIONS.items():
            known = connection.scalar(
                text("SELECT to_regprocedure(:name) IS NOT NULL"), {"name": f"public.{signature}"}
            )
            if not known:
                connection.execute(text(statement))
                connection.execute(
                    text(f"REVOKE EXECUTE ON FUNCTION public.{signature} FROM PUBLIC")
                )

    @event.listens_for(metadata, "after_drop")
    def drop(_target: Any, connection: Connection, *, tables: Any, **_more: Any) -> None:
        if any("custom" in table.columns for table in tables):
            for signature in FUNCTIONS:
                connection.execute(text(f"DROP FUNCTION IF EXISTS public.{signature}"))
