"""Which revocation concerns which guest of the bus."""

from datetime import UTC, datetime, timedelta

from auth_svc.bus_admission.flow import Guest, ends
from lib_one.contracts.revocation import ClientRevoked, GrantRevoked, SessionRevoked, SubjectRevoked, TokenRevoked

ISSUED = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = ISSUED + timedelta(hours=1)
GUEST = Guest("token", "clara", "cli-proj", int(ISSUED.timestamp()), int(LATER.timestamp()), "grant", "session")


def test_what_its_token_came_of_concerns_a_guest_and_nothing_else_does() -> None:
    for name, concerned in (("token", True), ("another", False)):
        assert ends(TokenRevoked(token_id=name, expires_at=LATER), GUEST) is concerned
    for name, concerned in (("grant", True), ("another", False)):
        assert ends(GrantRevoked(grant_id=name, expires_at=LATER), GUEST) is concerned
    for name, concerned in (("session", True), ("another", False)):
        assert ends(SessionRevoked(session_id=name, expires_at=LATER), GUEST) is concerned


def test_all_of_a_person_or_a_client_concerns_what_was_issued_up_to_then() -> None:
    for at, concerned in ((ISSUED, True), (ISSUED - timedelta(seconds=1), False)):
        for name, same in (("clara", True), ("dan", False)):
            fact = SubjectRevoked(subject_id=name, not_before=at, expires_at=LATER)
            assert ends(fact, GUEST) is (concerned and same)
        for name, same in (("cli-proj", True), ("gui-proj", False)):
            told = ClientRevoked(client_id=name, not_before=at, expires_at=LATER)
            assert ends(told, GUEST) is (concerned and same)
