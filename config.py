"""Configuration of the portal: UPPERCASE constants, read once from the environment.

A value that cannot be used ends the start with one line that names the variable and says what it
may be. Nothing else reads the environment. The table of all variables is in README.md.
"""

from __future__ import annotations

import base64
import ipaddress
import os
import secrets
import stat
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote, urlsplit

from limits import parse_many

from app.crypto import AES, CIPHERS, KEY_ID
from app.terminal import gettext as _

ROOT = Path(__file__).resolve().parent


class ConfigError(SystemExit):
    """A value of the environment cannot be used; as SystemExit it ends the start in one line."""


def env_text(name: str, default: str = "") -> str:
    """Read a text; an empty variable counts as not set."""
    return os.environ.get(name, "").strip() or default


def env_int(name: str, default: int, *, least: int, most: int) -> int:
    """Read a whole number between ``least`` and ``most``."""
    text = env_text(name, str(default))
    if not text.isascii() or not text.isdigit() or not least <= int(text) <= most:
        raise ConfigError(
            _(
                "%(name)s=%(given)s: give a whole number from %(least)s to %(most)s.",
                name=name,
                given=text,
                least=least,
                most=most,
            )
        )
    return int(text)


def env_bool(name: str, *, default: bool) -> bool:
    """Read yes or no."""
    text = env_text(name, "yes" if default else "no").lower()
    if text in ("1", "yes", "true", "on"):
        return True
    if text in ("0", "no", "false", "off"):
        return False
    raise ConfigError(_("%(name)s=%(given)s: give yes or no.", name=name, given=text))


def env_choice(name: str, default: str, choices: tuple[str, ...]) -> str:
    """Read one of a few words."""
    text = env_text(name, default).lower()
    if text not in choices:
        raise ConfigError(
            _(
                "%(name)s=%(given)s: give one of %(choices)s.",
                name=name,
                given=text,
                choices=", ".join(choices),
            )
        )
    return text


def env_list(name: str, default: str = "") -> list[str]:
    """Read words separated by commas."""
    return [part.strip() for part in env_text(name, default).split(",") if part.strip()]


def env_rate(name: str, default: str) -> str:
    """Read how often something may be done: ``20 per minute; 300 per day``."""
    text = env_text(name, default)
    try:
        parse_many(text)
    except ValueError as error:
        raise ConfigError(
            _(
                "%(name)s=%(given)s: give limits like 20 per minute; 300 per day.",
                name=name,
                given=text,
            )
        ) from error
    return text


def env_database_url(name: str) -> str:
    """Read the address of a PostgreSQL server in the form SQLAlchemy takes; empty: embedded."""
    url = env_text(name)
    if not url:
        return ""
    scheme, separator, rest = url.partition("://")
    if not separator or scheme not in ("postgres", "postgresql", "postgresql+psycopg"):
        raise ConfigError(
            _(
                "%(name)s: give an address like postgresql://user:password@host:5432/portal "
                "(PostgreSQL is the only database the portal runs on).",
                name=name,
            )
        )
    return f"postgresql+psycopg://{rest}"


def env_redis_url(name: str) -> str:
    """Read the address of a Redis server; empty: embedded."""
    url = env_text(name)
    if url and urlsplit(url).scheme not in ("redis", "rediss", "unix"):
        raise ConfigError(
            _(
                "%(name)s: give an address like redis://host:6379/0 or unix:///run/redis.sock.",
                name=name,
            )
        )
    return url


def kept_secret(file_name: str, *, make_text: str) -> str:
    """Return the secret kept in ``VAR/file_name`` (mode 0600), writing ``make_text`` at first."""
    path = VAR / file_name
    try:
        VAR.mkdir(parents=True, exist_ok=True)
        draft = VAR / f".{file_name}.{os.getpid()}.{secrets.token_hex(4)}"
        if not path.exists():
            descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(make_text + "\n")
            try:
                os.link(draft, path)  # whichever process is first wins; nobody reads half a key
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        text = path.read_text(encoding="ascii").strip()
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            path.chmod(0o600)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            _(
                "%(path)s cannot be read or written (%(problem)s): make room, correct its owner "
                "and rights, or choose another folder with VAR=.",
                path=path,
                problem=error,
            )
        ) from error
    if not text:
        raise ConfigError(
            _("%(path)s is empty: restore it from a backup, or remove it on a new site.", path=path)
        )
    return text


def checked_key(name: str, text: str) -> bytes:
    """Decode a base64 key of 32 bytes."""
    try:
        key = base64.b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != 32:
        raise ConfigError(
            _("%(name)s: each key is the base64 form of 32 bytes (44 characters).", name=name)
        )
    return key


def new_key() -> str:
    """Make a random key of 32 bytes in base64."""
    return base64.b64encode(secrets.token_bytes(32)).decode("ascii")


def trusted_networks(name: str) -> list[str]:
    """Read the addresses of the proxies whose X-Forwarded headers count."""
    found = env_list(name)
    for text in found:
        try:
            ipaddress.ip_network(text)
        except ValueError as error:
            raise ConfigError(
                _(
                    "%(name)s=%(given)s: give addresses or networks like 10.0.0.5,10.1.0.0/16.",
                    name=name,
                    given=text,
                )
            ) from error
    return found


# --- where things are -------------------------------------------------------------------------

VAR = Path(env_text("VAR", str(ROOT / "var"))).expanduser().absolute()
SEED_FOLDER = ROOT / "seed"
HOST = env_text("HOST", "127.0.0.1")
PORT = env_int("PORT", 8080, least=1, most=65535)
PORTAL_MODE = env_choice("PORTAL_MODE", "rehearsal", ("rehearsal", "production"))
PRODUCTION = PORTAL_MODE == "production"
PUBLIC_URL = env_text("PUBLIC_URL", f"http://{HOST}:{PORT}").rstrip("/")
"""The address printed into QR codes and messages."""
if urlsplit(PUBLIC_URL).scheme not in ("http", "https") or not urlsplit(PUBLIC_URL).netloc:
    raise ConfigError(
        _("PUBLIC_URL=%(given)s: give an address like https://zc.example.gov.cn.", given=PUBLIC_URL)
    )

DATABASE_URL = env_database_url("DATABASE_URL")
OWNER_DATABASE_URL = env_database_url("OWNER_DATABASE_URL")
"""The same database as the owner of the tables; only migrations and preparing use it."""
APPLICATION_ROLE = unquote(urlsplit(DATABASE_URL).username or "") if OWNER_DATABASE_URL else ""
"""The database role that gets the application's rights; empty: the application owns the tables."""
if OWNER_DATABASE_URL and not APPLICATION_ROLE:
    raise ConfigError(
        _(
            "OWNER_DATABASE_URL needs a DATABASE_URL that names the application's own role, like "
            "postgresql://portal_app:password@host:5432/portal."
        )
    )
REDIS_URL = env_redis_url("REDIS_URL")
OBJECT_STORE_URL = env_text("OBJECT_STORE_URL", (VAR / "files").as_uri())
"""Where uploaded files are kept: file:///folder or s3://bucket/prefix."""
if urlsplit(OBJECT_STORE_URL).scheme not in ("file", "s3"):
    raise ConfigError(_("OBJECT_STORE_URL: give file:///folder or s3://bucket/prefix."))

# --- processes --------------------------------------------------------------------------------

WEB_WORKERS = env_int("WEB_WORKERS", 2, least=1, most=64)
WEB_THREADS = env_int("WEB_THREADS", 4, least=1, most=64)
WORKER_QUEUES = tuple(env_list("WORKER_QUEUES", "default,long"))
"""One worker process per queue: a worker on two queues loses jobs when it is killed. Background
jobs (imports, exports) run on `long`, and on the first queue where that is not served."""
TRUSTED_PROXIES = trusted_networks("TRUSTED_PROXIES")
"""Proxies whose X-Forwarded-For and -Proto are believed; none by default."""

# --- secrets ----------------------------------------------------------------------------------

SECRET_KEY = env_text("SECRET_KEY") or kept_secret(
    "secret.key", make_text=secrets.token_urlsafe(48)
)
if len(SECRET_KEY) < 32:
    raise ConfigError(_("SECRET_KEY: give at least 32 random characters."))

DATA_KEYS = env_text("DATA_KEYS")
"""Keys of the encrypted columns, ``id:base64,id:base64``; the first one encrypts."""
HASH_KEY = env_text("HASH_KEY")
"""Base64 key of the look-up hashes of encrypted columns."""
if PRODUCTION and not (DATA_KEYS and HASH_KEY):
    raise ConfigError(
        _(
            "PORTAL_MODE=production needs DATA_KEYS (id:base64 of 32 bytes) and HASH_KEY (base64 "
            "of 32 bytes): personal data is encrypted with them and lost without them."
        )
    )
DATA_KEYS = DATA_KEYS or kept_secret("data.keys", make_text=f"k1:{new_key()}")
HASH_KEY = HASH_KEY or kept_secret("hash.key", make_text=new_key())
_ids = [_entry.strip().partition(":")[0] for _entry in DATA_KEYS.split(",")]
if len(set(_ids)) < len(_ids) or not all(KEY_ID.fullmatch(_id) for _id in _ids):
    raise ConfigError(
        _(
            "DATA_KEYS: give id:base64 of 32 bytes, several separated by commas, each id once "
            "(letters, digits and . _ -)."
        )
    )
for _entry in DATA_KEYS.split(","):
    checked_key("DATA_KEYS", _entry.strip().partition(":")[2])
checked_key("HASH_KEY", HASH_KEY)
DATA_CIPHER = env_choice("DATA_CIPHER", AES, CIPHERS)
"""What new values are encrypted with; stored ones stay readable."""

AUDIT_SIGNING_KEY = env_text("AUDIT_SIGNING_KEY") or kept_secret("audit.key", make_text=new_key())
"""Base64 Ed25519 keys of the audit log's anchors, separated by commas; the first one signs."""
for _entry in AUDIT_SIGNING_KEY.split(","):
    checked_key("AUDIT_SIGNING_KEY", _entry.strip())
AUDIT_ANCHOR_FILE = Path(env_text("AUDIT_ANCHOR_FILE", str(VAR / "audit-heads.jsonl"))).expanduser()
"""Where the signed heads of the audit log are appended, outside the database."""

# --- configuration in the browser ---------------------------------------------------------------

CONFIGURATION_LOOK_SECONDS = 1.0
"""How often a process looks whether somebody has published a change; 0: with every request."""

# --- gateways ---------------------------------------------------------------------------------

SMS_GATEWAY_URL = env_text("SMS_GATEWAY_URL")
"""Where texts are handed over (docs/deployment.md: the contract); rehearsals never use it."""
SMS_GATEWAY_KEY = env_text("SMS_GATEWAY_KEY")
ESSC_GATEWAY_URL = env_text("ESSC_GATEWAY_URL")
"""Where QR codes of e-social-security cards are asked for; empty: the method is off."""
ESSC_GATEWAY_KEY = env_text("ESSC_GATEWAY_KEY")
GATEWAY_SECONDS = env_int("GATEWAY_SECONDS", 5, least=1, most=30)
"""How long each network step of a gateway may take."""
for _name in ("SMS_GATEWAY", "ESSC_GATEWAY"):
    _url, _key = env_text(f"{_name}_URL"), env_text(f"{_name}_KEY")
    if _url and (urlsplit(_url).scheme not in ("http", "https") or not urlsplit(_url).netloc):
        raise ConfigError(
            _("%(name)s_URL: give an address like https://sms.example/v1.", name=_name)
        )
    if _url and len(_key) < 16:
        raise ConfigError(
            _(
                "%(name)s_KEY: give the key shared with the gateway, 16 characters or more.",
                name=_name,
            )
        )
if PRODUCTION and not SMS_GATEWAY_URL:
    raise ConfigError(
        _(
            "PORTAL_MODE=production needs SMS_GATEWAY_URL and SMS_GATEWAY_KEY: no account can be "
            "activated without a text to its phone."
        )
    )

# --- database ---------------------------------------------------------------------------------

SQLALCHEMY_DATABASE_URI = DATABASE_URL or None
SQLALCHEMY_ENGINE_OPTIONS = {
    "pool_size": WEB_THREADS,
    "max_overflow": 2,
    "pool_pre_ping": True,
    "pool_recycle": 1800,
    "hide_parameters": True,  # an error of the database must not log document numbers
    "connect_args": {"connect_timeout": 5, "options": "-c timezone=UTC"},
}
SQLALCHEMY_TRACK_MODIFICATIONS = False

# --- sessions, cookies, requests --------------------------------------------------------------

SESSION_COOKIE_SECURE = env_bool("COOKIE_SECURE", default=PUBLIC_URL.startswith("https://"))
SESSION_COOKIE_NAME = env_text(
    "SESSION_COOKIE_NAME", f"{'__Host-' if SESSION_COOKIE_SECURE else ''}portal_{PORT}"
)
"""Cookies know no port: two instances on one machine must not sign each other out. A browser takes
a name with __Host- from this host alone, over TLS, for all of it."""
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
IDLE_MINUTES = env_int("IDLE_MINUTES", 30, least=1, most=24 * 60)
SESSION_HOURS = env_int("SESSION_HOURS", 12, least=1, most=24)
PERMANENT_SESSION_LIFETIME = timedelta(hours=SESSION_HOURS)
"""A session ends so long after the sign-in, however busy it is."""
WTF_CSRF_TIME_LIMIT = None
MAX_CONTENT_LENGTH = env_int("MAX_UPLOAD_MB", 32, least=1, most=1024) * 1024 * 1024
MAX_FORM_MEMORY_SIZE = 4 * 1024 * 1024
MAX_FORM_PARTS = 5000
SEND_FILE_MAX_AGE_DEFAULT = timedelta(days=7)

# --- rate limits ------------------------------------------------------------------------------

RATELIMIT_ENABLED = env_bool("RATELIMIT_ENABLED", default=True)
RATELIMIT_STORAGE_URI = f"redis+{REDIS_URL}" if REDIS_URL.startswith("unix:") else REDIS_URL
RATELIMIT_HEADERS_ENABLED = True
RATELIMIT_STORAGE_OPTIONS = {"socket_timeout": 1, "socket_connect_timeout": 1}
AUTH_RATE_LIMITED = True
AUTH_RATE_LIMIT = env_rate("AUTH_RATE_LIMIT", "30 per minute" if PRODUCTION else "600 per minute")
"""Sign-ins from an address."""
ACCOUNT_AUTH_RATE_LIMIT = env_rate(
    "ACCOUNT_AUTH_RATE_LIMIT", "60 per hour" if PRODUCTION else "6000 per hour"
)
"""Sign-ins to one account, wherever they come from."""
PAGE_RATE_LIMIT = env_rate("PAGE_RATE_LIMIT", "600 per minute")
"""Open pages for an address: an office behind one address, and no more."""
LOOKUP_RATE_LIMIT = env_rate("LOOKUP_RATE_LIMIT", "20 per minute; 300 per day")
"""Open look-ups by name and document number, or by certificate number through the API."""
PERSONS_RATE_LIMIT = env_rate("PERSONS_RATE_LIMIT", "60 per minute; 1500 per day")
"""What an account may ask of persons: searching, showing numbers, creating, transferring."""
EXPORTS_RATE_LIMIT = env_rate("EXPORTS_RATE_LIMIT", "20 per hour; 60 per day")
IMPORTS_RATE_LIMIT = env_rate("IMPORTS_RATE_LIMIT", "30 per hour; 200 per day")
PROOFS_RATE_LIMIT = env_rate("PROOFS_RATE_LIMIT", "10 per 15 minutes")

# --- language and time ------------------------------------------------------------------------

BABEL_DEFAULT_LOCALE = env_choice("PORTAL_LANGUAGE", "zh", ("zh", "en"))
BABEL_DEFAULT_TIMEZONE = "Asia/Shanghai"
BABEL_TRANSLATION_DIRECTORIES = str(ROOT / "translations")
BABEL_DEFAULT_FOLDER = str(ROOT / "translations")
LANGUAGES = {
    "zh": {"flag": "cn", "name": "中文"},
    "en": {"flag": "gb", "name": "English"},
}

# --- Flask-AppBuilder -------------------------------------------------------------------------

APP_NAME = env_text("APP_NAME", "职称评审信息系统")
FAB_CREATE_DB = False
"""Tables come from migrations alone, permissions from ``flask init`` alone."""
FAB_UPDATE_PERMS = False
FAB_API_SWAGGER_UI = False
FAB_API_MAX_PAGE_SIZE = 100
FAB_API_SHOW_STACKTRACE = False
FAB_ADD_SECURITY_PERMISSION_VIEW = False
FAB_ADD_SECURITY_VIEW_MENU_VIEW = False
FAB_ADD_SECURITY_PERMISSION_VIEWS_VIEW = False
AUTH_USER_REGISTRATION = False
AUTH_ROLE_ADMIN = "Admin"
AUTH_ROLE_PUBLIC = "Public"
