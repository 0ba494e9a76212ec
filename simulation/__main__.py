"""Run many seeds, and say which one breaks a promise."""

import argparse
import time

from simulation.world import BrokenPromiseError, run


def main() -> None:
    """Run many seeds, or one."""
    parser = argparse.ArgumentParser(prog="python -m simulation", description=__doc__)
    parser.add_argument("--seeds", type=int, default=1000, help="how many (default %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="the first one (default %(default)s)")
    parser.add_argument("--seed", type=int, help="this one alone, such as one that was printed")
    parser.add_argument("--log", action="store_true", help="with what the parts log")
    options = parser.parse_args()
    seeds = range(options.first, options.first + options.seeds) if options.seed is None else [options.seed]
    began = time.process_time()
    for seed in seeds:
        try:
            run(seed, log=options.log)
        except BrokenPromiseError as broken:
            raise SystemExit(f"{broken}\nThe same again: python -m simulation --seed {seed}") from None
    print(f"{len(seeds)} seeds, {time.process_time() - began:.0f} s of CPU: every promise holds")


if __name__ == "__main__":
    main()
