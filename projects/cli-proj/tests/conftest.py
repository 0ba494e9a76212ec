"""A fake issuer, a fake app-svc, and the program between them."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cli_proj.testing import FakeAppService, Program, SignIn
from lib_two.testing import FakeIssuer
from lib_two.token_store import TokenSet, TokenStore


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as issuer:
        yield issuer


@pytest.fixture
def service(issuer: FakeIssuer) -> Iterator[FakeAppService]:
    with FakeAppService(accepts=lambda token: issuer.signer.read(token) is not None) as service:
        yield service


@pytest.fixture
def program(tmp_path: Path, issuer: FakeIssuer, service: FakeAppService) -> Program:
    return Program(state_dir=tmp_path / "state", issuer=issuer.url, app_url=service.url)


@pytest.fixture
def sign_in(tmp_path: Path, issuer: FakeIssuer) -> SignIn:
    """Keep tokens as a login would."""

    def keep(*, lives: timedelta = timedelta(minutes=10), refresh: bool = True) -> TokenSet:
        scope = "openid offline_access shipments:read shipments:write shipments:scan"
        tokens = TokenSet(
            access_token=issuer.mint(issuer.subject, scope),
            token_type="Bearer",
            expires_at=datetime.now(UTC) + lives,
            scope=scope,
            refresh_token=issuer.refresh_token("cli-proj", scope) if refresh else None,
        )
        TokenStore(tmp_path / "state", keyring=False).save(issuer.url, "cli-proj", tokens)
        return tokens

    return keep
