"""Resource servers: who they are, which scopes are theirs, and what their tokens look like.

    details     types of authorization details (RFC 9396)
    catalogue   what follows from them: who may grant what, which resources a scope is for (pure)
    registry    the verbs, and the catalogue of this moment
    store       the table

The resource server of the house is always there. Others come from the seed file or `auth-svc resources put`. A scope
belongs to one of them, so a token with several audiences never leaves open which one a scope is meant for.
"""

from auth_svc.resources.catalogue import Catalogue, Resource, Scope, Target, shipments
from auth_svc.resources.details import (
    Detail,
    DetailField,
    DetailInWords,
    DetailType,
    details_from_text,
    details_to_text,
    parse_details,
)
from auth_svc.resources.registry import ResourceError, Resources

__all__ = [
    "Catalogue",
    "Detail",
    "DetailField",
    "DetailInWords",
    "DetailType",
    "Resource",
    "ResourceError",
    "Resources",
    "Scope",
    "Target",
    "details_from_text",
    "details_to_text",
    "parse_details",
    "shipments",
]
