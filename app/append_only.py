"""What the database itself does for tables that are only ever added to; DDL, no behaviour.

A table says ``info={"append_only": True}`` and gets a trigger that refuses UPDATE, DELETE and
TRUNCATE to everybody, its owner included; the application's role does not own it and cannot drop
it (`app/services/database_rights.py`). ``audit_entry`` has one more: at commit each new entry gets
its link in ``audit_link``, in the order of the commits.

`create_all` takes the DDL from here, production from the migrations; a test compares the two.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, MetaData, event, text

GENESIS = "0" * 64
"""The previous hash of the first link."""

CHAIN_LOCK = 4_158_070_919
"""The advisory lock of the chain; taken at commit, after every other lock: it closes no circle."""

REFUSE_FUNCTION = """
CREATE FUNCTION public.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
BEGIN
  RAISE EXCEPTION 'table % is append-only: % is refused', TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege';
END $$
"""

REFUSE_TRIGGER = """
CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON public.{table}
FOR EACH STATEMENT EXECUTE FUNCTION public.refuse_change()
"""

ENFORCE_TRIGGER = "ALTER TABLE public.{table} ENABLE ALWAYS TRIGGER {table}_append_only"
"""Also under session_replication_role = replica."""

ENTRY_COLUMNS = (
    "id",
    "extract(epoch FROM {row}.recorded_at)::text",
    "extract(epoch FROM {row}.at)::text",
    "account_id",
    "actor_name",
    "role",
    "unit_id",
    "address",
    "action",
    "object_type",
    "object_id",
    "{row}.before::text",
    "{row}.after::text",
    "reason",
)
"""Every column of `audit_entry` as it goes into the hash: instants as seconds with microseconds,
JSON as text, so that no setting of a connection and no equal-looking value changes it."""


def entry_hash(row: str, previous: str, number: str) -> str:
    """The SQL of a link's hash: SHA-256, in hex, of the JSON array [previous hash, number, every
    column]; PostgreSQL's own functions only."""
    columns = ", ".join(
        part.format(row=row) if "{row}" in part else f"{row}.{part}" for part in ENTRY_COLUMNS
    )
    array = f"jsonb_build_array({previous}, {number}, {columns})"
    return f"encode(sha256(convert_to({array}::text, 'UTF8')), 'hex')"


LINK_FUNCTION = f"""
CREATE FUNCTION public.link_audit_entry() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  head_number bigint;
  head_hash text;
BEGIN
  IF TG_RELID <> 'public.audit_entry'::regclass THEN
    RAISE EXCEPTION 'only audit_entry is chained' USING ERRCODE = 'insufficient_privilege';
  END IF;
  PERFORM pg_advisory_xact_lock({CHAIN_LOCK});
  SELECT number, hash INTO head_number, head_hash
    FROM public.audit_link ORDER BY number DESC LIMIT 1;
  head_number := coalesce(head_number, 0) + 1;
  head_hash := coalesce(head_hash, repeat('0', 64));
  INSERT INTO public.audit_link (number, entry_id, previous_hash, hash)
    VALUES (head_number, NEW.id, head_hash,
      {entry_hash("NEW", "head_hash", "head_number")});
  RETURN NULL;
END $$
"""  # noqa: S608 -- our own words only

LINK_TRIGGER = """
CREATE CONSTRAINT TRIGGER audit_entry_link AFTER INSERT ON public.audit_entry
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION public.link_audit_entry()
"""

FUNCTIONS = {"refuse_change": REFUSE_FUNCTION, "link_audit_entry": LINK_FUNCTION}


def append_only_tables(metadata: MetaData) -> list[str]:
    """The tables that are only ever added to, by name."""
    return sorted(t.name for t in metadata.tables.values() if t.info.get("append_only"))


def protect(metadata: MetaData) -> None:
    """Have `create_all` write functions and triggers after the tables, `drop_all` drop them."""

    @event.listens_for(metadata, "after_create")
    def create(_target: Any, connection: Connection, *, tables: Any, **_more: Any) -> None:
        created = sorted(table.name for table in tables if table.info.get("append_only"))
        if not created:
            return
        for name, statement in FUNCTIONS.items():
            known = connection.scalar(
                text("SELECT to_regproc(:name) IS NOT NULL"), {"name": f"public.{name}"}
            )
            if not known:
                connection.execute(text(statement))
                connection.execute(text(f"REVOKE EXECUTE ON FUNCTION public.{name}() FROM PUBLIC"))
        for table in created:
            connection.execute(text(REFUSE_TRIGGER.format(table=table)))
            connection.execute(text(ENFORCE_TRIGGER.format(table=table)))
        if "audit_entry" in created:
            connection.execute(text(LINK_TRIGGER))

    @event.listens_for(metadata, "after_drop")
    def drop(_target: Any, connection: Connection, *, tables: Any, **_more: Any) -> None:
        if any(table.info.get("append_only") for table in tables):
            for name in FUNCTIONS:
                connection.execute(text(f"DROP FUNCTION IF EXISTS public.{name}()"))
