"""Rotation: announced, published before first use, retired after the last token (OIDC Core section 10.1.1)."""

import asyncio
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from auth_svc.keys import ANNOUNCED, Phase, SigningKeyError, everything, jose, lives
from auth_svc.testing import House, running_house, settings_in
from lib_one.testing import Clock


async def rotate(house: House, algorithm: str = "ES256", *, announced: timedelta = ANNOUNCED) -> str:
    """Add a key; later than the one before, since of two that begin at the same moment either may sign."""
    house.clock.advance(timedelta(seconds=1))
    private = jose.generate(algorithm)
    added = await house.app.ledger.database.work(
        lambda c: house.app.rotation.add(c, private, algorithm, active_at=house.clock() + announced)
    )
    await house.app.keys.reload()
    return added


async def sweep(house: House) -> None:
    await house.app.housekeeping.sweep()
    await house.app.keys.reload()


async def published(house: House) -> set[str]:
    return {key["kid"] for key in (await house.http.get("/jwks")).json()["keys"]}


def signer(house: House, algorithm: str = "ES256") -> str:
    header: dict[str, Any] = msgspec.json.decode(
        jose.decode64(house.app.keys.sign(algorithm, "JWT", b"{}").split(".")[0].encode())
    )
    return str(header["kid"])


def phase(house: House, key_id: str) -> Phase:
    keys = house.app.ledger.database.lookup(everything)
    return next(life.phase for life in lives(keys, house.clock()) if life.key.key_id == key_id)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "PS256", "EdDSA"])
async def test_new_key_is_announced_and_published_before_it_signs_oidc_core_10_1_1(
    house: House, algorithm: str
) -> None:
    before = signer(house, algorithm)
    new = await rotate(house, algorithm)
    (announced,) = [e.data for e in await house.events("SigningKeyAnnounced") if getattr(e.data, "key_id", "") == new]
    assert (announced.algorithm, announced.active_at) == (algorithm, house.clock() + ANNOUNCED)  # type: ignore[attr-defined]
    assert {before, new} <= await published(house)
    assert phase(house, new) is Phase.ANNOUNCED
    house.clock.advance(ANNOUNCED - timedelta(seconds=1))
    old_token = house.app.keys.sign(algorithm, "JWT", b"{}")
    assert signer(house, algorithm) == before
    house.clock.advance(timedelta(seconds=1))
    assert signer(house, algorithm) == new
    assert (phase(house, before), phase(house, new)) == (Phase.SUPERSEDED, Phase.SIGNING)
    assert house.app.keys.verify(old_token, typ="JWT") == b"{}"
    assert not await house.app.keys.reload()


async def test_superseded_key_retires_after_its_last_token_oidc_core_10_1_1(house: House) -> None:
    before = signer(house)
    new = await rotate(house)
    house.clock.advance(ANNOUNCED + house.app.settings.session_life + ANNOUNCED - timedelta(seconds=1))
    await sweep(house)
    assert before in await published(house)
    house.clock.advance(timedelta(seconds=1))
    await sweep(house)
    assert before not in await published(house)
    assert new in await published(house)
    retired = [e.data for e in await house.events("SigningKeyRetired")]
    assert [key.key_id for key in retired] == [before]  # type: ignore[attr-defined]


async def test_key_is_kept_as_long_as_access_tokens_live_if_sign_ins_are_shorter(folder: Path, clock: Clock) -> None:
    settings = settings_in(folder, session_life=timedelta(minutes=1))
    async with running_house(settings, clock) as house:
        before = signer(house)
        await rotate(house, announced=timedelta())
        token = (await house.post("/token", {"grant_type": "client_credentials"}, client="simulator")).json()
        clock.advance(settings.access_token_life - timedelta(seconds=1))
        await sweep(house)
        assert before in await published(house)
        assert await house.active(token["access_token"])


async def test_keys_without_a_successor_never_retire(house: House) -> None:
    kept = await published(house)
    house.clock.advance(timedelta(days=3650))
    await sweep(house)
    assert await published(house) == kept


async def test_retirement_is_told_once_though_all_processes_sweep(house: House, folder: Path) -> None:
    await rotate(house, announced=timedelta())
    house.clock.advance(house.app.settings.session_life + ANNOUNCED)
    async with running_house(settings_in(folder), house.clock) as other:
        await asyncio.gather(*(h.app.housekeeping.sweep() for h in (house, other) for _ in range(5)))
        told = len(await house.events("SigningKeyRetired")) + len(await other.events("SigningKeyRetired"))
    assert told == 1


async def test_operator_takes_back_an_announced_key_and_no_other(house: House) -> None:
    def retire(key_id: str) -> Any:
        return house.app.ledger.database.work(lambda c: house.app.rotation.retire(c, key_id))

    signs = signer(house)
    with pytest.raises(SigningKeyError, match="rotate ES256 first"):
        await retire(signs)
    new = await rotate(house)
    await retire(new)
    await house.app.keys.reload()
    assert new not in await published(house)
    house.clock.advance(ANNOUNCED)
    assert signer(house) == signs
    await rotate(house, announced=timedelta())
    with pytest.raises(SigningKeyError, match="is good until"):
        await retire(signs)
    house.clock.advance(house.app.settings.session_life + ANNOUNCED)
    await retire(signs)
    with pytest.raises(SigningKeyError, match="no trusted key"):
        await retire(signs)


async def test_distrusted_key_can_neither_retire_nor_come_back(house: House) -> None:
    lost = jose.generate("ES256")
    key_id = await house.app.ledger.database.work(
        lambda c: house.app.rotation.add(c, lost, "ES256", active_at=house.clock())
    )
    await house.app.ledger.database.work(lambda c: house.app.revocation.distrust_key(c, key_id))
    with pytest.raises(SigningKeyError, match="no trusted key"):
        await house.app.ledger.database.work(lambda c: house.app.rotation.retire(c, key_id))
    with pytest.raises(SigningKeyError, match="there already"):
        await house.app.ledger.database.work(
            lambda c: house.app.rotation.add(c, lost, "ES256", active_at=house.clock())
        )
    assert phase(house, key_id) is Phase.DISTRUSTED


async def test_key_before_signs_again_when_its_successor_is_distrusted(house: House) -> None:
    before = signer(house)
    new = await rotate(house, announced=timedelta())
    assert signer(house) == new
    await house.app.ledger.database.work(lambda c: house.app.revocation.distrust_key(c, new))
    await house.app.keys.reload()
    assert signer(house) == before
    house.clock.advance(timedelta(days=30))
    await sweep(house)
    assert before in await published(house)
