"""A few seeds of the simulation of revocations; `python -m benchmarks.simulation` runs thousands."""

import pytest

from benchmarks.simulation import World, run
from lib_two.revocation import State


@pytest.mark.parametrize("seed", range(24))
def test_no_seed_breaks_the_promise(seed: int) -> None:
    run(seed)


def test_a_view_of_the_simulation_becomes_fresh_and_refuses() -> None:
    world = World(0)
    world.look()
    world.commit()
    world.beat()
    for _ in range(20):
        world.deliver()
        world.look()
    world.beat()
    while world.flying:
        world.deliver()
    assert world.view.state() is State.FRESH or not world.follower.caught_up
    world.look()
    world.check()
    assert world.known
