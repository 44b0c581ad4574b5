"""The actor behind the current request."""

from __future__ import annotations

from flask import current_app, g, has_request_context, request

from app.domain.errors import NotPermittedError
from app.domain.workflow import ActorRole
from app.models import Account
from app.security.screens import asked_permission
from app.services.actors import PUBLIC, Actor

ROLE_NAMES = {role.value: role for role in ActorRole}


def actor_of(account: Account, *, address: str = "") -> Actor:
    """What the services need to know of an account; its FAB roles by the names of ActorRole."""
    return Actor(
        account_id=account.id,
        name=account.first_name,
        roles=frozenset(ROLE_NAMES[r.name] for r in account.roles if r.name in ROLE_NAMES),
        unit_id=account.unit_id,
        unit_path=account.unit.path if account.unit else "",
        person_id=account.person_id,
        address=address,
    )


def current_actor() -> Actor:
    """The signed-in account as an actor, once a request; PUBLIC without sign-in.

    It carries those of its roles that open the page: whoever reads applications in one role does
    not read them on the screen of another. On pages open to every account it carries them all.
    """
    if not has_request_context():
        return PUBLIC
    account = getattr(g, "user", None)
    if account is None or not account.is_authenticated:
        return PUBLIC
    known: Actor | None = g.get("actor")
    if known is None or known.account_id != account.id:
        known = g.actor = acting(account)
    return known


def acting(account: Account) -> Actor:
    """The account under the roles that open the present page."""
    actor = actor_of(account, address=request.remote_addr or "")
    asked = asked_permission()
    if asked is None:
        return actor
    names = current_app.extensions["appbuilder"].sm.roles_granting(account, *asked)
    return actor.under(*(ROLE_NAMES[name] for name in names if name in ROLE_NAMES))


def require_signed_in() -> Actor:
    """The current actor; raises NotPermittedError for the public."""
    actor = current_actor()
    if actor.account_id is None:
        raise NotPermittedError
    return actor
