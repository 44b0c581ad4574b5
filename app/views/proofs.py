"""The upload of a proof of employment, on whatever form it stands."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l

from app.views import forms as f
from app.views.files import PROOF_LIMIT


def proof_field(hint: Any) -> Any:
    """A file that shows where the person works."""
    return f.upload(
        _l("Proof of employment"), accept=".pdf,.jpg,.jpeg,.png", max_bytes=PROOF_LIMIT, hint=hint
    )
