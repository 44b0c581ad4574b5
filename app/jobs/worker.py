"""An RQ worker that loads the application before it forks: a database job then starts in
hundredths of a second."""

from __future__ import annotations

from flask import current_app
from rq import Worker
from rq.serializers import JSONSerializer

from app.extensions import db
from app.jobs.schedule import queue


def work(name: str) -> None:
    """Work on one queue until told to stop; one queue a worker, or a killed worker loses jobs."""
    connection = current_app.extensions["redis"]
    db.engine.dispose(close=False)
    Worker([queue(connection, name)], connection=connection, serializer=JSONSerializer).work(
        with_scheduler=False
    )
