"""What the application's database role may do, and whether the database protects the audit log.

Two roles: the owner's makes the tables (`db upgrade`, `init`, `prepare`), the application's reads
and writes rows. On append-only tables the application may read and add, on the links of the chain
only read; it owns nothing, so it can switch off no trigger.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Any

from sqlalchemy import text

from app import append_only, custom_indexes
from app.append_only import append_only_tables
from app.domain.errors import ConflictError
from app.domain.messages import N_
from app.extensions import db

ROWS = frozenset({"SELECT", "INSERT", "UPDATE", "DELETE"})
ADDING = frozenset({"SELECT", "INSERT"})
READING = frozenset({"SELECT"})
ONLY_READ = ("alembic_version", "audit_link")
"""Written by migrations, and by the trigger of the chain."""


class MissingRoleError(ConflictError):
    """The application's database role does not exist. Params: `role`."""

    template = N_(
        "The database has no role %(role)s for the application: create it, then prepare the "
        "database again."
    )


def wanted_rights(table: str) -> frozenset[str]:
    """What the application's role may do with the rows of a table."""
    if table in ONLY_READ:
        return READING
    return ADDING if table in append_only_tables(db.metadata) else ROWS


def grant_to(role: str) -> int:
    """Give the application's role exactly its rights on every table; of how many they differed.

    Run by the owner of the tables. Raises MissingRoleError.
    """
    if not _scalar("SELECT true FROM pg_roles WHERE rolname = :role", role=role):
        raise MissingRoleError(role=role)
    name = db.engine.dialect.identifier_preparer.quote(role)
    changed = 0
    for table, held in _held_rights(role):
        wanted = wanted_rights(table)
        if held == wanted:
            continue
        changed += 1
        quoted = db.engine.dialect.identifier_preparer.quote(table)
        db.session.execute(text(f"REVOKE ALL ON TABLE public.{quoted} FROM {name}"))
        rights = ", ".join(sorted(wanted))
        db.session.execute(text(f"GRANT {rights} ON TABLE public.{quoted} TO {name}"))
    db.session.execute(text(f"GRANT USAGE ON SCHEMA public TO {name}"))
    db.session.execute(text(f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {name}"))
    for signature in custom_indexes.FUNCTIONS:
        db.session.execute(text(f"GRANT EXECUTE ON FUNCTION public.{signature} TO {name}"))
    return changed


class Weakness(StrEnum):
    """By what the audit log could be changed."""

    SUPERUSER = "superuser"
    OWNER = "owner"
    MAY_CREATE = "may_create"
    TOO_MANY_RIGHTS = "too_many_rights"
    UNPROTECTED = "unprotected"
    """A trigger is missing or off."""
    OTHER_FUNCTION = "other_function"
    """A function is not the one of this code."""


def find_weaknesses() -> Iterator[tuple[Weakness, dict[str, Any]]]:
    """(what, params) of everything by which the role of this connection, or whoever uses it,
    could change what is only to be added to; nothing when all is well."""
    role = _scalar("SELECT current_user")
    if _scalar("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        yield Weakness.SUPERUSER, {"role": role}
        yield from _unprotected()
        return
    owned = _scalars(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind = 'r' AND pg_has_role(current_user, relowner, 'USAGE') ORDER BY relname"
    )
    if owned:
        yield Weakness.OWNER, {"role": role, "count": len(owned)}
    if _scalar("SELECT has_schema_privilege(current_user, 'public', 'CREATE')") and not owned:
        yield Weakness.MAY_CREATE, {"role": role}
    for table in append_only_tables(db.metadata) if not owned else ():
        wanted = wanted_rights(table)
        too_many = _scalars(
            "SELECT p FROM unnest(ARRAY['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) p"
            " WHERE has_table_privilege(current_user, 'public.' || :name, p)",
            name=table,
        )
        too_many = [right for right in too_many if right not in wanted]
        if too_many:
            yield (
                Weakness.TOO_MANY_RIGHTS,
                {"role": role, "table": table, "rights": ", ".join(too_many)},
            )
    yield from _unprotected()


def _unprotected() -> Iterator[tuple[Weakness, dict[str, Any]]]:
    """Triggers that are missing or off, functions that are not those of this code."""
    enabled = {
        (row.table, row.name): row.enabled
        for row in db.session.execute(
            text(
                'SELECT c.relname AS "table", tgname AS name, tgenabled::text AS enabled'
                " FROM pg_trigger t JOIN pg_class c ON c.oid = tgrelid"
                " WHERE c.relnamespace = 'public'::regnamespace AND NOT tgisinternal"
            )
        )
    }
    expected = [(t, f"{t}_append_only", "A") for t in append_only_tables(db.metadata)]
    for table, trigger, state in [*expected, ("audit_entry", "audit_entry_link", "O")]:
        if enabled.get((table, trigger)) != state:
            yield Weakness.UNPROTECTED, {"trigger": trigger, "table": table}
    triggered = {f"{name}()": statement for name, statement in append_only.FUNCTIONS.items()}
    for signature, statement in (triggered | dict(custom_indexes.FUNCTIONS)).items():
        name = signature.partition("(")[0]
        body = statement.split("$$")[1]
        source = _scalar(
            "SELECT prosrc FROM pg_proc WHERE oid = to_regprocedure(:n)", n=f"public.{signature}"
        )
        if source != body:
            yield Weakness.OTHER_FUNCTION, {"function": name}


def _held_rights(role: str) -> list[tuple[str, frozenset[str]]]:
    """Every table and what the role has been granted on it."""
    rows = db.session.execute(
        text(
            "SELECT c.relname, array_remove(array_agg(a.privilege_type), NULL) FROM pg_class c"
            " LEFT JOIN LATERAL aclexplode(c.relacl) a"
            " ON a.grantee = (SELECT oid FROM pg_roles WHERE rolname = :role)"
            " WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')"
            " GROUP BY c.relname ORDER BY c.relname"
        ),
        {"role": role},
    )
    return [(name, frozenset(rights)) for name, rights in rows]


def _scalar(statement: str, **values: Any) -> Any:
    return db.session.scalar(text(statement), values)


def _scalars(statement: str, **values: Any) -> list[Any]:
    return list(db.session.scalars(text(statement), values))
