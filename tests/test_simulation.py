"""Some seeds of the simulation, and some of the broken lines that it must notice.

`python -m simulation` runs thousands of seeds, `python -m simulation.mutations` breaks every line of the list.
"""

import pytest

from simulation.mutations import MUTATIONS, Mutation, broken, seeds_until_noticed
from simulation.world import run

CHEAP = (
    "relay: sent before the ack",
    "relay: `id > last` in place of `sent_at IS NULL`",
    "inbox: forgets",
    "view: a replayed heartbeat counts",
)
"""Noticed by nearly every seed, whatever the choices are."""


@pytest.mark.parametrize("seed", range(8))
def test_no_seed_breaks_a_promise(seed: int) -> None:
    world = run(seed)
    assert world.facts
    assert world.revoked


def test_a_seed_does_the_same_again() -> None:
    first, second = run(3), run(3)
    assert first.history == second.history
    assert first.loop.time() == second.loop.time()
    assert run(4).history != first.history


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.name)
def test_each_broken_line_is_one_of_the_real_code(mutation: Mutation) -> None:
    with broken(mutation):
        pass


@pytest.mark.parametrize("mutation", [one for one in MUTATIONS if one.name in CHEAP], ids=lambda one: one.name)
def test_a_broken_line_is_noticed(mutation: Mutation) -> None:
    assert seeds_until_noticed(mutation, most=50)


def test_a_line_that_is_not_broken_is_not_noticed() -> None:
    same = Mutation("none", "lib_one.sql.inbox", "Inbox.first_time", "return ", "return ")
    assert seeds_until_noticed(same, most=2) is None
