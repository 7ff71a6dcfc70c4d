"""Who somebody is and which role that gives: from the claims of an identity token, by settings.

Claims (OpenID Connect Core 1.0, section 2) and the section ``access`` of ``secrets.toml`` go in; a
role and a pseudonym come out. Raises `ConfigError` for settings that are wrong, and for claims that
do not say who it is.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from camlif.exceptions import ConfigError
from dashboard.access.access import Role

PSEUDONYM_DIGITS = 12
"""Hexadecimal digits: two of a million people collide with a chance of 1 in 560."""
RoleName = Literal["viewer", "reviewer", "administrator"]


class RoleSettings(BaseModel):
    """The section ``[access]`` of Streamlit's secrets.

    Attributes
    ----------
    default : str
        Role of whoever signs in and is not named; ``none`` lets nobody else in.
    emails : mapping of e-mail address to role
    claim : str or None
        Claim of the identity token that holds a name or a list of names, such as ``groups``.
    claims : mapping of a name in that claim to role
    without_sign_in : str or None
        Role of everybody where no sign-in is configured and other computers can reach the server;
        without it nothing is shown there.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    default: RoleName | Literal["none"] = "viewer"
    emails: dict[str, RoleName] = {}
    claim: str | None = None
    claims: dict[str, RoleName] = {}
    without_sign_in: RoleName | None = None

    @field_validator("emails")
    @classmethod
    def _fold(cls, emails: dict[str, RoleName]) -> dict[str, RoleName]:
        strange = [address for address in emails if address.count("@") != 1]
        if strange:
            raise ValueError(f"{strange[0]} is no e-mail address")
        folded = {address.strip().casefold(): role for address, role in emails.items()}
        if len(folded) < len(emails):
            raise ValueError("an address is there twice, in capitals and in small letters")
        return folded

    @property
    def needs_sign_in(self) -> bool:
        """Whether roles go by who somebody is."""
        return bool(self.emails or self.claims)

    @model_validator(mode="after")
    def _claim_has_a_name(self) -> Self:
        if bool(self.claims) != (self.claim is not None):
            raise ValueError("claim names the claim, and [access.claims] what its values give")
        return self


def read_role_settings(section: object) -> RoleSettings:
    """Check what the section ``[access]`` says.

    Raises
    ------
    ConfigError
        Naming the entry that is wrong and what it may be.
    """
    try:
        return RoleSettings.model_validate(section)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(["access", *map(str, first["loc"])])
        raise ConfigError(
            f"Setting {place} in secrets.toml is wrong: {first['msg']}. Roles are viewer, "
            "reviewer and administrator; README, Sign-in, shows an example."
        ) from error


def role_of(claims: Mapping[str, Any], settings: RoleSettings) -> Role | None:
    """Return the highest role that somebody's claims give; None where nothing lets them in.

    An address that its provider calls unverified gives nothing: anybody could have typed it.
    """
    found: list[str] = []
    address = str(claims.get("email") or "").strip().casefold()
    if claims.get("email_verified") not in (False, "false"):
        found += [settings.emails[address]] if address in settings.emails else []
    if settings.claim is not None:
        held = claims.get(settings.claim, ())
        names = held if isinstance(held, (list, tuple)) else [held]
        found += [settings.claims[name] for name in map(str, names) if name in settings.claims]
    if not found and settings.default != "none":
        found = [settings.default]
    return max((Role[name.upper()] for name in found), default=None)


def pseudonym(key: bytes, claims: Mapping[str, Any]) -> str:
    """Return the name under which somebody is recorded: the same at every sign-in, here only.

    Raises
    ------
    ConfigError
        If the provider does not say who it is.
    """
    issuer, subject = claims.get("iss"), claims.get("sub")
    if not issuer or not subject:
        raise ConfigError(
            "The identity provider does not say who signed in (no iss or sub in its token). Use "
            "an OpenID Connect provider."
        )
    person = hmac.new(key, f"user\0{issuer}\0{subject}".encode(), hashlib.sha256)
    return f"user {person.hexdigest()[:PSEUDONYM_DIGITS]}"
