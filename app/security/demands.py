"""What a new password must be, in sentences shown before it is typed."""

from __future__ import annotations

from flask_babel import gettext as _

from app.services.passwords import password_profile


def describe_profile() -> list[str]:
    """The demands of the province's profile, one sentence each (rules E9)."""
    profile = password_profile()
    lines = [_("At least %(number)s characters.", number=profile.minimum_length)]
    if profile.minimum_kinds > 1:
        lines.append(
            _(
                "At least %(number)s of: capital letters, small letters, digits, other characters.",
                number=profile.minimum_kinds,
            )
        )
    lines.append(_("Not the login, unit code, telephone number or birth date."))
    lines.append(_("Nothing many people use, and not the initial password of the notice."))
    if profile.remembered > 1:
        lines.append(_("None of the last %(number)s passwords.", number=profile.remembered))
    if profile.staff_days is not None:
        lines.append(_("Staff choose a new one every %(days)s days.", days=profile.staff_days))
    return [str(line) for line in lines]
