"""Putting the portal together: configuration, extensions, FAB, views, API, commands, error
pages."""

from __future__ import annotations

import os
from typing import Any

from flask import Flask
from flask_appbuilder import AppBuilder
from redis import Redis

import config
from app import assets, cli, clock, compression, headers, language, proxies, views
from app.api import register as register_api
from app.crypto import Keyring, use_keyring
from app.extensions import csrf, db, migrate
from app.gateways.building import build_gateways
from app.jobs import hints
from app.security import addresses, limits, origins, refusals, rules, session_store  # noqa: F401 -- rules for their effect: the row rules of every table
from app.security.manager import PortalSecurityManager
from app.services import rehearsal
from app.views import errors, health, labels, presentation


def build_app(overrides: dict[str, Any]) -> Flask:
    """Build the WSGI application; `overrides` replace values of config.py."""
    app = Flask("app", static_folder="static", template_folder="templates")
    app.config.from_object(config)
    app.config.update(overrides)
    _configure_servers(app)
    use_keyring(
        Keyring.parse(app.config["DATA_KEYS"], app.config["HASH_KEY"], app.config["DATA_CIPHER"])
    )
    clock.use_offset_source(rehearsal.current_offset)
    with app.app_context():
        _init_extensions(app)
        appbuilder = AppBuilder(security_manager_class=PortalSecurityManager)
        appbuilder.init_app(app, db.session)
        language.register(app)
        views.register(appbuilder)
        register_api(appbuilder)
    origins.register(app)
    limits.register(app)
    addresses.register(app)
    proxies.register(app)
    health.register(app)
    errors.register(app)
    refusals.register(app)
    presentation.register(app)
    labels.register(app)
    headers.register(app)
    hints.register(app)
    compression.register(app)
    assets.register(app)
    cli.register(app)
    return app


def _configure_servers(app: Flask) -> None:
    """Take the addresses of the servers: given, or those the launcher has started (same
    variables)."""
    settings = app.config
    database = settings.get("DATABASE_URL") or os.environ.get("DATABASE_URL", "")
    settings["SQLALCHEMY_DATABASE_URI"] = database.replace(
        "postgresql://", "postgresql+psycopg://", 1
    )
    settings["REDIS_URL"] = settings.get("REDIS_URL") or os.environ.get("REDIS_URL", "")
    settings["FAB_INDEX_VIEW"] = "app.views.home.HomeView"
    settings["FAB_BASE_TEMPLATE"] = "layout/base.html"


def _init_extensions(app: Flask) -> None:
    store = Redis.from_url(app.config["REDIS_URL"], socket_connect_timeout=2)
    app.extensions["redis"] = store
    app.extensions["gateways"] = build_gateways(app.config, store)
    address = app.config["REDIS_URL"]
    app.config["RATELIMIT_STORAGE_URI"] = (
        f"redis+{address}" if address.startswith("unix:") else address
    )
    db.init_app(app)
    migrate.init_app(app, db, directory=str(config.ROOT / "migrations"))
    csrf.init_app(app)
    session_store.register(app)
