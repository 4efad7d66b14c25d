"""Who somebody is by a single sign-on: what a proxy that is named says in headers, and what role that gives.

Pure. Switched on by `LEADPIPE_SSO_USER_HEADER`. Where the request came from is known at the door only
(`door.py`), so it is read there, once; what the person may do then is said by `caller.py`.
"""

import hmac
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import SecretStr
from starlette.datastructures import Headers

from leadpipe.errors import ConfigurationError
from leadpipe.web.people import checked_name
from leadpipe.web.roles import ROLES, Role

SECRET_HEADER = "x-leadpipe-proxy-secret"  # noqa: S105 - the header's name
EVERYBODY = "*"
PROBE = "forged-by-leadpipe-check"
"""A name that nobody has: `leadpipe check` sends it to see whether the proxy passes it on."""
PASSED_ON = "the proxy passes on who a sender says to be"


@dataclass(frozen=True)
class Identity:
    """Who a proxy says somebody is, and in which groups."""

    name: str
    groups: frozenset[str]


@dataclass(frozen=True)
class SignOn:
    """Which headers are believed.

    Args:
        user: the header with the person's name, in lower case.
        groups: that with the groups; empty for none.
        roles: of groups, and of `*` for everybody.
        secret: what the proxy must send beside.
    """

    user: str
    groups: str
    roles: Mapping[str, Role]
    secret: SecretStr | None

    def is_claimed(self, headers: Headers) -> bool:
        """Whether a request says who it is, rightly or not."""
        return any(name in headers for name in (self.user, self.groups, SECRET_HEADER) if name)

    def identity(self, headers: Headers) -> Identity | None:
        """Who it is, of a request of a proxy that may say so; None if it says nobody.

        Raises:
            ConfigurationError: it says so twice, without the secret, or nothing that is a name.
        """
        for name in (self.user, self.groups, SECRET_HEADER):
            if name and len(headers.getlist(name)) > 1:
                raise ConfigurationError(
                    f"{name} came twice: the proxy must replace what a sender says, not add to it"
                )
        given = headers.get(SECRET_HEADER, "").encode("latin-1")
        if self.secret is not None and not hmac.compare_digest(
            self.secret.get_secret_value().encode(), given
        ):
            raise ConfigurationError(f"{SECRET_HEADER} is missing or is not LEADPIPE_SSO_SECRET")
        user = headers.get(self.user, "").strip()
        if not user:
            return None
        if user == PROBE:
            raise ConfigurationError(PASSED_ON)
        groups = re.split(r"[,|]", headers.get(self.groups, "")) if self.groups else ()
        return Identity(checked_name(user), frozenset(filter(None, map(str.strip, groups))))

    def role_of(self, identity: Identity) -> Role | None:
        """The highest role of the person's groups; None if none of them has one."""
        wanted = {*identity.groups - {EVERYBODY}, EVERYBODY}
        return max((role for group, role in self.roles.items() if group in wanted), default=None)


def read_roles(text: str) -> dict[str, Role]:
    """The groups' roles of a setting.

    Raises:
        ValueError: it cannot be read.
    """
    roles: dict[str, Role] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        group, _, role = (part.strip() for part in entry.rpartition("="))
        if not group or role not in ROLES:
            raise ValueError(
                f"{entry!a} is no group=role. Roles are {', '.join(ROLES)}, such as "
                "admins=operator,sales=worker,*=viewer"
            )
        if group in roles:
            raise ValueError(f"the group {group!a} is named twice")
        if group == EVERYBODY and ROLES[role] is Role.OPERATOR:
            raise ValueError("*=operator would let everybody give roles. Name a group")
        roles[group] = ROLES[role]
    return roles


def sign_on(
    *,
    user: str,
    groups: str,
    roles: str,
    proxies: Sequence[str],
    secret: SecretStr | None,
    is_public: bool,
) -> SignOn | None:
    """What the settings say; None where it is not switched on.

    Raises:
        ConfigurationError: they do not fit together.
    """
    if not user:
        others = {
            "LEADPIPE_SSO_GROUPS_HEADER": groups,
            "LEADPIPE_SSO_ROLES": roles,
            "LEADPIPE_SSO_PROXIES": proxies,
            "LEADPIPE_SSO_SECRET": secret,
        }
        if given := [name for name, value in others.items() if value]:
            raise ConfigurationError(
                f"{given[0]} is set and LEADPIPE_SSO_USER_HEADER is not. Set it to the header in which the "
                "proxy says who calls, or remove the other."
            )
        return None
    if not proxies:
        raise ConfigurationError(
            "LEADPIPE_SSO_USER_HEADER needs LEADPIPE_SSO_PROXIES, the addresses that may say who calls; "
            "everybody else could say so, too."
        )
    if not is_public:
        raise ConfigurationError(
            "LEADPIPE_SSO_USER_HEADER needs LEADPIPE_WEB_NAMES, the name that the proxy is called by: "
            "without it nothing that a proxy passes on is answered."
        )
    named = read_roles(roles)
    if set(named) - {EVERYBODY} and not groups:
        raise ConfigurationError(
            "LEADPIPE_SSO_ROLES names groups, and LEADPIPE_SSO_GROUPS_HEADER is not set. Set it to the "
            "header in which the proxy says them."
        )
    return SignOn(user, groups, named, secret)
