"""Seeds of random choices: each follows from the run's seed and from what the choice is for."""

import hashlib
import os


def run_seed() -> int:
    """The seed of this run, which `--seed_everything` sets (Lightning's variable); 0 by default."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))


def derive_seed(*numbers: int) -> int:
    """A seed of 63 bits, a hash of numbers such as (seed, epoch, index).

    Equal numbers give equal seeds in every process and on every machine; seeds of neighbours have
    nothing in common.
    """
    text = ",".join(map(str, numbers))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1
