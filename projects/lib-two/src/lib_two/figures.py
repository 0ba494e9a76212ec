"""The numbers of a guard and its revocation view, for Prometheus."""

from collections.abc import Mapping

from lib_one.observe import Metrics, counter, gauge, histogram
from lib_two.guard import Guard
from lib_two.revocation import State

STATE = gauge("revocation_view_state", "1 for the state that the revocation view is in.", ("state",))
HEARTBEAT = gauge("revocation_heartbeat_age_seconds", "Seconds since the last heartbeat of the authorization server.")
LAG = gauge("revocation_lag_messages", "Messages of the stream of revocations that are not applied yet.")
APPLIED = histogram(
    "revocation_applied_seconds", "Seconds from a revocation, by the clock of auth-svc, to its being applied here."
)
ENTRIES = gauge("revocation_entries", "Revocations that are remembered, by what was revoked.", ("kind",))
CHECKS = counter("guard_checks_total", "Access tokens, by how they were decided.", ("outcome",))
REMEMBERED = gauge("guard_remembered_tokens", "Validated tokens that are remembered.")
KEYS_AGE = gauge("jwks_age_seconds", "Seconds since the issuer's keys were fetched.")


def add_guard(metrics: Metrics, guard: Guard) -> None:
    """Have the numbers of a guard and its view."""
    view = guard.view

    def state() -> Mapping[tuple[str, ...], float]:
        here = view.state()
        return {(str(one),): float(one is here) for one in State}

    def labelled(values: Mapping[str, float]) -> Mapping[tuple[str, ...], float]:
        return {(name,): value for name, value in values.items()}

    metrics.add(STATE, state)
    metrics.add(HEARTBEAT, lambda: view.status()["heartbeat_age_seconds"])
    metrics.add(LAG, lambda: view.status()["lag"])
    metrics.add(APPLIED, lambda: view.applied)
    metrics.add(ENTRIES, lambda: labelled(view.status()["entries"]))
    metrics.add(CHECKS, lambda: labelled(guard.status()["checks"]))
    metrics.add(REMEMBERED, lambda: guard.status()["remembered"])
    metrics.add(KEYS_AGE, lambda: guard.metadata.keys_age)
