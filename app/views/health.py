"""/healthz: the process answers; /readyz: database and queue answer too."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Flask, current_app, jsonify
from redis.exceptions import RedisError
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from app.extensions import db

blueprint = Blueprint("health", __name__)


def register(app: Flask) -> None:
    """Add both pages."""
    app.register_blueprint(blueprint)


@blueprint.get("/healthz")
def healthz() -> Any:
    """200 as long as the process answers."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> Any:
    """200 when the database and Redis answer, else 503 with the one that does not."""
    try:
        db.session.execute(text("SELECT 1"))
    except SQLAlchemyError:
        return jsonify(status="unavailable", part="database"), 503
    try:
        current_app.extensions["redis"].ping()
    except RedisError:
        return jsonify(status="unavailable", part="redis"), 503
    return jsonify(status="ready")
