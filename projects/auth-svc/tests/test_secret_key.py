"""The file of the master secret."""

from pathlib import Path

import pytest

from auth_svc.secret_key import SecretKeyError, load


def test_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "new" / "secret.key"
    made = load(file, create=True)
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert load(file, create=True).derive("x") == made.derive("x")


def test_missing_secret_is_said_by_its_path(tmp_path: Path) -> None:
    with pytest.raises(SecretKeyError, match=r"secret\.key"):
        load(tmp_path / "secret.key", create=False)


@pytest.mark.parametrize("content", ["", "short", "x" * 44, "ä" * 22, "!" * 43])
def test_what_is_no_key_is_refused_without_showing_it(tmp_path: Path, content: str) -> None:
    file = tmp_path / "secret.key"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(SecretKeyError) as caught:
        load(file, create=False)
    assert not content or content not in str(caught.value)


def test_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "secret.key"
    load(file, create=True)
    file.chmod(0o644)
    with pytest.raises(SecretKeyError, match="chmod 600"):
        load(file, create=False)
