"""How gunicorn serves the portal, under ``make run`` and under systemd alike."""

from __future__ import annotations

import os
from typing import Any

import config as portal  # gunicorn has a setting named config
from app import logs

wsgi_app = "app:create_app()"
bind = f"{portal.HOST}:{portal.PORT}"
worker_class = "gthread"
workers = portal.WEB_WORKERS
threads = portal.WEB_THREADS
preload_app = True  # one import for all workers; connections are dropped after the fork
timeout = 60
graceful_timeout = 5
keepalive = 5
max_requests = 20000
max_requests_jitter = 2000
forwarded_allow_ips = ",".join(portal.TRUSTED_PROXIES) or "127.0.0.1"
worker_tmp_dir = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
control_socket_disable = True  # it would lie in the home folder, one for all instances
logger_class = "app.access_log.AccessLog"
logconfig_dict = logs.configuration()  # masked JSON lines on stderr
accesslog = None  # the lines of AccessLog, without query strings
errorlog = "-"
loglevel = "warning"


def post_fork(server: Any, worker: Any) -> None:
    """Give each worker its own database connections, and masked lines for what it cannot catch."""
    logs.catch_the_rest()
    from app.extensions import db  # noqa: PLC0415 -- after the application was loaded

    application = worker.app.wsgi()
    with application.app_context():
        db.engine.dispose(close=False)
