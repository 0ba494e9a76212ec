"""What follows from the resource servers together: scopes, roles, audiences (RFC 8707, RFC 9068 section 3)."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from auth_svc.errors import InvalidScope, InvalidTarget
from auth_svc.resources import Catalogue, Resource, Scope, shipments

ISSUER, APP, LEDGER, VAULT = "https://as.example", "https://app.example", "https://ledger.example", "urn:example:vault"
IDENTITY = {"openid", "profile", "email", "offline_access"}
CATALOGUE = Catalogue(
    ISSUER,
    shipments(APP),
    [
        Resource(
            identifier=LEDGER,
            name="Ledger",
            scopes=(Scope("ledger:read", "Read the ledger", "Every booking"), Scope("ledger:book")),
            roles={"clerk": ("ledger:read", "ledger:book"), "auditor": ("ledger:read",)},
        ),
        Resource(identifier=VAULT, name="Vault", scopes=(Scope("vault"),), access_token_format="opaque"),
    ],
)


@pytest.mark.parametrize(
    ("role", "scopes"),
    [
        ("employee", {"shipments:read"}),
        ("clerk", {"shipments:read", "shipments:write", "shipments:scan", "ledger:read", "ledger:book"}),
        ("driver", {"shipments:read", "shipments:scan"}),
        ("operator", {"shipments:read", "shipments:write", "shipments:scan", "shipments:admin", "admin"}),
        ("auditor", {"ledger:read"}),
        ("nobody", set()),
    ],
)
def test_role_says_what_a_person_may_grant(role: str, scopes: set[str]) -> None:
    assert CATALOGUE.scopes_for([role]) == IDENTITY | scopes


@pytest.mark.parametrize(
    ("scope", "asked", "left", "audience"),
    [
        ("shipments:read", "", "shipments:read", APP),
        ("profile offline_access", "", "profile offline_access", APP),
        ("openid email", "", "openid email", ISSUER),
        ("ledger:read", "", "ledger:read", LEDGER),
        ("ledger:read shipments:read openid", "", "ledger:read shipments:read openid", [APP, LEDGER, ISSUER]),
        ("ledger:read shipments:read openid", LEDGER, "ledger:read openid", LEDGER),
        ("ledger:read shipments:read openid", f"{LEDGER} {APP}", "ledger:read shipments:read openid", [APP, LEDGER]),
        ("ledger:read shipments:read openid", ISSUER, "openid", ISSUER),
        ("ledger:read shipments:read profile", APP, "shipments:read profile", APP),
        ("vault shipments:read", APP, "shipments:read", APP),
        ("gone:read shipments:read", "", "shipments:read", APP),
    ],
)
def test_every_scope_of_a_token_means_something_at_its_audience_rfc9068_3(
    scope: str, asked: str, left: str, audience: str | list[str]
) -> None:
    target = CATALOGUE.target(tuple(scope.split()), asked.split())
    assert (" ".join(target.scope), target.audience, target.format) == (left, audience, "jwt")


def test_format_and_algorithm_are_those_of_the_resource() -> None:
    assert CATALOGUE.target(("vault",), ()).format == "opaque"
    assert CATALOGUE.target(("vault", "openid"), ()).audience == [VAULT, ISSUER]
    signed = Catalogue(ISSUER, msgspec.structs.replace(shipments(APP), access_token_signing_alg="RS256"), ())
    assert signed.target(("shipments:read", "openid"), ()).algorithm == "RS256"


def test_no_token_is_for_resources_that_want_different_ones_rfc8707_2() -> None:
    with pytest.raises(InvalidTarget):
        CATALOGUE.target(("vault", "shipments:read"), ())
    assert CATALOGUE.target(("vault", "shipments:read"), (VAULT,)).scope == ("vault",)


def test_resource_without_a_scope_of_its_own_is_invalid_target_rfc8707_2() -> None:
    with pytest.raises(InvalidTarget):
        CATALOGUE.target(("shipments:read",), (LEDGER,))
    with pytest.raises(InvalidTarget):
        CATALOGUE.check([APP, "https://elsewhere.example"])
    CATALOGUE.check([APP, LEDGER, VAULT, ISSUER])


def test_scope_of_which_nothing_is_left_is_invalid_scope() -> None:
    with pytest.raises(InvalidScope):
        CATALOGUE.target(("gone:read",), ())


def test_people_read_the_words_of_the_resource_or_at_least_its_name() -> None:
    words = CATALOGUE.in_words({"ledger:book", "openid", "ledger:read"})
    assert [(scope.title, scope.text) for scope in words] == [
        ("Know who you are", "A fixed identifier of your account"),
        ("Read the ledger", "Every booking"),
        ("ledger:book", "As Ledger describes it"),
    ]


def test_registered_resource_takes_the_place_of_the_default() -> None:
    found = Catalogue(ISSUER, shipments(APP), [Resource(identifier=APP, name="Other", scopes=(Scope("other"),))])
    assert [resource.name for resource in found.resources] == ["Other"]
    assert found.target(("profile",), ()).audience == APP
    assert "shipments:read" not in found.scopes


@given(
    scope=st.lists(st.sampled_from([*CATALOGUE.scopes, "gone"]), unique=True).map(tuple),
    asked=st.lists(st.sampled_from(CATALOGUE.identifiers), unique=True),
)
def test_asking_for_resources_only_ever_narrows_rfc8707_2_2(scope: tuple[str, ...], asked: list[str]) -> None:
    try:
        target = CATALOGUE.target(scope, asked)
    except (InvalidTarget, InvalidScope):
        return
    audience = {target.audience} if isinstance(target.audience, str) else set(target.audience)
    assert audience <= set(asked or CATALOGUE.identifiers)
    assert set(target.scope) <= set(scope)
