"""Write a migration from the models: `python -m migrations.regenerate "what changes"`.

It works on a throw-away embedded PostgreSQL: brings it to the newest migration, compares it with
app.models and writes the difference. With `--initial` it first deletes all migrations and writes
the one initial one again; that is for the time before the first release, when no database exists
that anybody wants to keep.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from flask_migrate import migrate, upgrade

from app import create_app
from app.embedded import servers

VERSIONS = Path(__file__).parent / "versions"


def main() -> None:
    """Read the arguments and write the migration."""
    args = sys.argv[1:]
    is_initial = args == ["--initial"]
    if not is_initial and (len(args) != 1 or args[0].startswith("-")):
        sys.exit('usage: python -m migrations.regenerate "what changes" | --initial')
    if is_initial:
        for path in VERSIONS.glob("*.py"):
            path.unlink()
    with tempfile.TemporaryDirectory() as folder, servers(Path(folder), durable=False) as running:
        app = create_app(DATABASE_URL=running.database_url, REDIS_URL=running.redis_url)
        with app.app_context():
            if not is_initial:
                upgrade()
            migrate(
                message="initial tables" if is_initial else args[0],
                rev_id="0001" if is_initial else f"{len(list(VERSIONS.glob('*.py'))) + 1:04d}",
            )
    layout = [sys.executable, "-m", "ruff", "format", "--quiet", str(VERSIONS)]
    subprocess.run(layout, check=True)  # noqa: S603 -- our own words only


if __name__ == "__main__":
    main()
