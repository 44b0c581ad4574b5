"""telephones of the contacts of units are encrypted (written by hand).

Revision ID: 0015
Revises: 0014
Create Date: 2026-11-25 22:30:00+08:00
"""

from __future__ import annotations

import base64
import os

import sqlalchemy as sa
from alembic import op
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from flask import current_app

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

NONCE_BYTES = 12


def _keys() -> dict[str, bytes]:
    """DATA_KEYS as configured, `id:base64,id:base64`, the current one first."""
    parts = (part.strip().partition(":") for part in current_app.config["DATA_KEYS"].split(","))
    return {name: base64.b64decode(key) for name, _colon, key in parts}


def _seal(text: str) -> bytes:
    """As every stored value is sealed: key id, 0x00, nonce, AES-256-GCM with the id beside it.

    Where SM4 is configured `./portal keys rotate` seals them anew, as every value of before.
    """
    name, key = next(iter(_keys().items()))
    head, nonce = name.encode("ascii"), os.urandom(NONCE_BYTES)
    return head + b"\0" + nonce + AESGCM(key).encrypt(nonce, text.encode(), head)


def _open(blob: bytes) -> str:
    head, _zero, rest = blob.partition(b"\0")
    key = _keys().get(head.decode("ascii"))
    if key is None:
        raise RuntimeError(
            "a telephone is sealed with another key or cipher: rotate to AES-256-GCM first"
        )
    return AESGCM(key).decrypt(rest[:NONCE_BYTES], rest[NONCE_BYTES:], head).decode()


def _mask(phone: str) -> str:
    """138****5678; other lengths show the last two only, short ones nothing."""
    head, tail = (3, 4) if len(phone) == 11 else (0, 2)
    hidden = len(phone) - head - tail
    if hidden < 4:
        return "*" * len(phone)
    return phone[:head] + "*" * hidden + phone[len(phone) - tail :]


def upgrade() -> None:
    """Bring the tables to this revision; the table is rewritten, so that nothing clear is left."""
    connection = op.get_bind()
    rows = connection.execute(
        sa.text("SELECT id, contact_phone FROM unit WHERE contact_phone <> '' FOR UPDATE")
    ).all()
    op.alter_column(
        "unit",
        "contact_phone",
        type_=sa.LargeBinary(),
        existing_type=sa.String(40),
        existing_nullable=True,
        postgresql_using="NULL",
    )
    op.add_column("unit", sa.Column("contact_phone_mask", sa.String(length=40), nullable=True))
    if rows:
        connection.execute(
            sa.text(
                "UPDATE unit SET contact_phone = :sealed, contact_phone_mask = :mask WHERE id = :id"
            ),
            [
                {"id": row.id, "sealed": _seal(row.contact_phone), "mask": _mask(row.contact_phone)}
                for row in rows
            ],
        )
    op.alter_column("personal_data_read", "person_id", nullable=True)
    op.add_column(
        "personal_data_read",
        sa.Column("unit_id", sa.Integer(), nullable=True, comment="whose contact was looked at"),
    )
    op.create_foreign_key(
        op.f("fk_personal_data_read_unit_id_unit"),
        "personal_data_read",
        "unit",
        ["unit_id"],
        ["id"],
    )
    op.create_index("ix_personal_data_read_unit_id", "personal_data_read", ["unit_id"])
    op.create_check_constraint(
        op.f("ck_personal_data_read_of_a_person_or_a_unit"),
        "personal_data_read",
        "(person_id IS NULL) <> (unit_id IS NULL)",
    )


def downgrade() -> None:
    """Take the tables back to the revision before; refused while views of contacts are on file."""
    connection = op.get_bind()
    op.drop_constraint(
        op.f("ck_personal_data_read_of_a_person_or_a_unit"), "personal_data_read", type_="check"
    )
    op.alter_column("personal_data_read", "person_id", nullable=False)
    op.drop_column("personal_data_read", "unit_id")
    rows = connection.execute(
        sa.text("SELECT id, contact_phone FROM unit WHERE contact_phone IS NOT NULL FOR UPDATE")
    ).all()
    op.drop_column("unit", "contact_phone_mask")
    op.alter_column(
        "unit",
        "contact_phone",
        type_=sa.String(40),
        existing_type=sa.LargeBinary(),
        existing_nullable=True,
        postgresql_using="NULL",
    )
    if rows:
        connection.execute(
            sa.text("UPDATE unit SET contact_phone = :phone WHERE id = :id"),
            [{"id": row.id, "phone": _open(bytes(row.contact_phone))} for row in rows],
        )
