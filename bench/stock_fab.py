"""The peer: Flask-AppBuilder as it comes, with accounts of its own on the same PostgreSQL.

Served by gunicorn as `bench.stock_fab:app`, its database in STOCK_DATABASE_URL. Passwords by its
default (scrypt), sessions in signed cookies, forms with tokens, its rate limit off like ours.
"""

from __future__ import annotations

import os

from flask import Flask
from flask_appbuilder import AppBuilder
from flask_appbuilder.models.sqla.base import SQLA
from flask_wtf.csrf import CSRFProtect

from bench.portals import STOCK_PASSWORD, STOCK_USERS

app = Flask(__name__)
app.config.update(
    SECRET_KEY="a bench keeps no secrets",
    SQLALCHEMY_DATABASE_URI=os.environ["STOCK_DATABASE_URL"],
    SQLALCHEMY_TRACK_MODIFICATIONS=False,
    RATELIMIT_ENABLED=False,
    AUTH_RATE_LIMITED=False,
    FAB_API_SWAGGER_UI=False,
)
db = SQLA(app)
CSRFProtect(app)
with app.app_context():
    appbuilder = AppBuilder(app, db.session)


def create_users() -> None:
    """An account for each client: user0, user1, …"""
    with app.app_context():
        role = appbuilder.sm.find_role("Admin")
        for number in range(STOCK_USERS):
            login = f"user{number}"
            made = appbuilder.sm.add_user(
                login, login, "", f"{login}@local.invalid", role, STOCK_PASSWORD
            )
            assert made, login


if __name__ == "__main__":
    create_users()
