"""Who acts: the facts about an account that a service needs, without the request."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from app.domain.four_eyes import Signer
from app.domain.workflow import ActorRole


@dataclass(frozen=True)
class Actor:
    """An account acting under its roles; `unit_path` is `/1/5/`, the subtree it administers."""

    account_id: int | None
    name: str
    roles: frozenset[ActorRole]
    unit_id: int | None = None
    unit_path: str = ""
    person_id: int | None = None
    address: str = field(default="", compare=False)

    def has_role(self, *roles: ActorRole) -> bool:
        """Whether the actor holds at least one of `roles`."""
        return not self.roles.isdisjoint(roles)

    def under(self, *roles: ActorRole) -> Actor:
        """The same account acting under these of its roles alone."""
        return replace(self, roles=self.roles & frozenset(roles))


def signer_of(actor: Actor) -> Signer:
    """The actor as one of two people who sign."""
    return Signer(actor.account_id, actor.person_id)


SYSTEM = Actor(account_id=None, name="system", roles=frozenset({ActorRole.SYSTEM}))
"""The clock: what the sweeps do."""

PUBLIC = Actor(account_id=None, name="public", roles=frozenset({ActorRole.PUBLIC}))
"""Anybody without sign-in."""
