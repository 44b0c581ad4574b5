"""The environment of migrations: FAB's tables and ours in one metadata, one transaction a run."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations import ops
from flask import current_app
from flask_appbuilder import Model
from sqlalchemy.types import TypeDecorator

from app import models  # noqa: F401 -- the tables

target_metadata = current_app.extensions["migrate"].db.metadata
if target_metadata is not Model.metadata:
    raise SystemExit("FAB's tables and ours must share one metadata: see app/extensions.py.")

PLAIN_TYPES = {
    sa.DateTime: "sa.DateTime(timezone=True)",
    sa.LargeBinary: "sa.LargeBinary()",
    sa.SmallInteger: "sa.SmallInteger()",
}


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | bool:
    """Write the plain column type: a migration must not change its meaning with app.orm."""
    if kind == "type" and isinstance(item, TypeDecorator):
        return PLAIN_TYPES[type(item.impl_instance)]
    return False


def finish_directives(_context: Any, _revision: Any, directives: list[Any]) -> None:
    """Write no file when nothing has changed; write keys of a circle after both their tables."""
    script = directives[0]
    if script.upgrade_ops.is_empty():
        if getattr(context.config.cmd_opts, "migrate", False):
            directives[:] = []
        return
    for create in script.upgrade_ops.ops[:]:
        if not isinstance(create, ops.CreateTableOp):
            continue
        circular = [
            part
            for part in create.columns
            if isinstance(part, sa.ForeignKeyConstraint) and part.use_alter
        ]
        # by identity: comparing columns makes SQL expressions
        create.columns = [
            part for part in create.columns if all(part is not key for key in circular)
        ]
        for key in circular:
            later = ops.CreateForeignKeyOp.from_constraint(key)
            later.kw.pop("use_alter", None)
            script.upgrade_ops.ops.append(later)
            script.downgrade_ops.ops.insert(0, later.reverse())


def run() -> None:
    """Run the migrations on the application's database."""
    engine = current_app.extensions["migrate"].db.engine
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=target_metadata,
            render_item=render_item,
            process_revision_directives=finish_directives,
            compare_type=True,
            transaction_per_migration=False,
        )
        with context.begin_transaction():
            context.run_migrations()


if context.is_offline_mode():
    raise SystemExit("Migrations run on a database: leave out --sql.")
run()
