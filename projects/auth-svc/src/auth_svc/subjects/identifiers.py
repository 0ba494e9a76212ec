"""Subject identifiers (RFC 9493): how programs name a person to each other."""

import msgspec


class IssSub(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="iss_sub"):
    """RFC 9493 section 3.2.4."""

    iss: str
    sub: str


class Opaque(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="opaque"):
    """RFC 9493 section 3.2.5: the `sub` alone."""

    id: str


class Email(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag_field="format", tag="email"):
    """RFC 9493 section 3.2.2."""

    email: str
