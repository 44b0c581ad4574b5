"""Log lines of all processes: JSON, one a line, with everything that could be personal masked.

Nothing writes personal data into a log on purpose; the mask is for what comes along in a message of
a library, in a traceback or in an address somebody typed. It errs on the side of masking: any 17
digits with a digit or X behind them are taken for a document number.
"""

from __future__ import annotations

import logging
import logging.config
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from datetime import datetime
from types import TracebackType
from typing import Any

import structlog

from app.domain.calendar import BEIJING

_ENCODED_DIGIT = re.compile(r"%3([0-9])")
_TOLD_BY_NAME = (
    r"(?:password|passwd|pwd|passphrase|secret|token|otp|code|cookie|authorization|"
    r"口令|密码|验证码|激活码)"
)
ACTIVATION_CODE = re.compile(r"\b[0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4}\b")
STORED_LOGIN = re.compile(r"\bp[0-9a-f]{40}\b")
DOCUMENT_NUMBER = re.compile(r"[0-9]{17}[0-9Xx][0-9]*")
"""Of 18 characters, also inside a longer row of digits."""
RESIDENCE_NUMBER = re.compile(r"\b[A-Z]{3}[0-9]{12}\b")
"""A foreigner's permanent residence."""
MOBILE_NUMBER = re.compile(r"(?<![0-9])1[3-9][0-9][ -]?[0-9]{4}[ -]?[0-9]{4}(?![0-9])")
"""Also written in groups."""
MASKS: tuple[tuple[re.Pattern[str], str], ...] = (
    (ACTIVATION_CODE, "[code]"),
    # password=…, "code": "…", 验证码：…
    (
        re.compile(
            rf"(?i)\b(\w*{_TOLD_BY_NAME}\w*)([\"']?\s*(?:=|:|：|%3D|is\b|为)\s*[\"']?)"
            r"(?!\[)[^\s\"',;&<>]+"
        ),
        r"\1\2[secret]",
    ),
    (STORED_LOGIN, "[login]"),
    (DOCUMENT_NUMBER, "[document number]"),
    (RESIDENCE_NUMBER, "[document number]"),
    # a unit's code with what is derived from it, as units sign in
    (re.compile(r"\b[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10,18}\b"), "[unit code]"),
    (MOBILE_NUMBER, "[phone]"),
)
FIELD_TO_HIDE = re.compile(rf"(?i){_TOLD_BY_NAME}")


def mask(text: str) -> str:
    """The text without document numbers, logins, telephone numbers, passwords and codes."""
    text = _ENCODED_DIGIT.sub(r"\1", text)
    for pattern, instead in MASKS:
        text = pattern.sub(instead, text)
    return text


def masked(value: Any) -> Any:
    """The same for everything a log line may hold."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int | float):
        text = str(value)
        return value if mask(text) == text else mask(text)
    if isinstance(value, Mapping):
        return {
            mask(str(key)): "[secret]" if FIELD_TO_HIDE.search(str(key)) else masked(item)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return [masked(item) for item in value]
    return mask(str(value))


def mask_line(
    _logger: Any, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """structlog processor: mask every field of a line but its time."""
    at = line.pop("at", None)
    return {"at": at, **masked(line)}


def _stamp(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    record: logging.LogRecord = line["_record"]
    at = datetime.fromtimestamp(record.created, BEIJING).isoformat(timespec="milliseconds")
    return {"at": at, "level": record.levelname.lower(), "logger": record.name, **line}


def formatter() -> structlog.stdlib.ProcessorFormatter:
    """Lines as JSON: at, level, logger, event, what was given along, the traceback."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[structlog.stdlib.ExtraAdder()],
        processors=[
            _stamp,
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            mask_line,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
    )


def configuration(level: str = "INFO") -> dict[str, Any]:
    """For logging.config and gunicorn: everything goes to stderr as such a line."""
    to_stderr = {"handlers": ["stderr"], "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"()": formatter}},
        "handlers": {"stderr": {"class": "logging.StreamHandler", "formatter": "json"}},
        "root": {"level": "WARNING", "handlers": ["stderr"]},
        "loggers": {
            "app": {"level": level},
            "gunicorn.error": {"level": "WARNING", **to_stderr},
            "gunicorn.access": {"level": level, **to_stderr},
        },
    }


def configure() -> None:
    """Let this process write such lines, whatever it has to say: warnings and crashes too."""
    logging.config.dictConfig(configuration())
    catch_the_rest()


def catch_the_rest() -> None:
    """Send warnings and uncaught exceptions through the log instead of bare to stderr."""
    logging.captureWarnings(capture=True)
    sys.excepthook = _log_crash
    threading.excepthook = lambda crash: _log_crash(
        crash.exc_type, crash.exc_value or crash.exc_type(), crash.exc_traceback
    )


def _log_crash(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        return
    logging.getLogger("app").critical("uncaught %s", kind.__name__, exc_info=(kind, error, trace))
