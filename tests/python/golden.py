"""Makes tests/data/plan_golden.txt from the reference planner: digests of the
first 1,000 rows that a rank gets.  python golden.py > ../data/plan_golden.txt,
and only with a new planner version."""
import struct

from reference_planner import epoch_batches, order
from reference_siphash import siphash128

N_ROWS = 1000
NAMES = "seed epoch n shuffle drop_last world rank batch global consumed"
MAX_SEED, MAX_EPOCH, MAX_N = 2**64 - 1, 2**40 - 1, 2**48

# The order itself (a world of one, one batch), then shares of it.
ORDERS = [(0, 0, 1, 1), (1, 0, 3, 1), (1, 1, 10, 1), (42, 0, 64, 1), (42, 1, 65, 1),
          (MAX_SEED, 0, 100, 1), (7, MAX_EPOCH, 1000, 1), (7, 3, 1000, 0), (0, 0, 1001, 1),
          (123456789, 5, 9469, 1), (0, 0, 50000, 1), (3, 17, 65536, 1), (3, 17, 65537, 1),
          (42, 0, 1281167, 1), (42, 89, 1281167, 1), (2**63, 1, 14197122, 1), (9, 2**33, 2**32, 1),
          (5, 0, 10**9, 1), (11, 1, 10**12, 1), (13, 2, MAX_N, 1)]
SHARES = [(0, 0, 1000, 1, 0, 4, 0, 32, 0, 0), (0, 0, 1000, 1, 0, 4, 3, 32, 0, 0),
          (0, 0, 1000, 1, 1, 4, 3, 32, 0, 0), (1, 2, 999, 1, 0, 7, 6, 0, 100, 0),
          (1, 2, 999, 1, 1, 7, 0, 0, 100, 0), (1, 2, 999, 1, 0, 7, 3, 0, 100, 37),
          (42, 0, 50000, 1, 0, 8, 5, 256, 0, 0), (42, 0, 50000, 1, 0, 8, 5, 256, 0, 49001),
          (42, 0, 50000, 1, 1, 8, 5, 256, 0, 49001), (42, 0, 1281167, 1, 0, 1000, 999, 4, 0, 0),
          (42, 89, 1281167, 1, 0, 1000, 0, 4, 0, 1281000), (42, 0, 1281167, 1, 0, 3, 2, 0, 4096, 1),
          (42, 7, 1281167, 0, 0, 3, 1, 64, 0, 640), (MAX_SEED, MAX_EPOCH, 7, 1, 0, 9, 6, 1, 0, 0),
          (9, 2**33, 2**32, 1, 0, 64, 33, 512, 0, 2**31), (11, 1, 10**12, 1, 0, 1, 0, 64, 0, 0),
          (11, 1, 10**12, 1, 0, 1024, 511, 128, 0, 10**11), (11, 1, 10**12, 1, 0, 17, 16, 0, 1000, 5),
          (11, 1, 10**12, 1, 0, 17, 16, 0, 1000, 10**12 - 500),
          (13, 2, MAX_N, 1, 1, 5, 4, 3, 0, MAX_N - 1000)]


def rows(seed, epoch, n, shuffle, drop_last, world, rank, batch, total, consumed):
    """The first ids of this rank's rows, -1 for padding."""
    total = total or batch * world
    n_steps = -(-N_ROWS // -(-total // world))
    positions = range(consumed, min(n, consumed + n_steps * total))
    steps = epoch_batches(order(seed, epoch, n, shuffle, positions), 0, world, total, drop_last)
    return [-1 if i is None else i for step in steps for i in step[rank]][:N_ROWS]


def line(configuration):
    ids = rows(*configuration)
    return "%s: %d %s" % (" ".join(map(str, configuration)), len(ids),
                          siphash128(struct.pack("<%dq" % len(ids), *ids)).hex())


def lines():
    return [line(c) for c in [(*o, 0, 1, 0, N_ROWS, 0, 0) for o in ORDERS] + SHARES]


if __name__ == "__main__":
    print("# Planner version 1: how many of its first 1,000 rows a rank has, and the digest\n"
          "# (SipHash-2-4-128, key of bytes) of their ids, i64 each, -1 padding; made by\n"
          "# tests/python/golden.py.  A change needs a new version.\n# %s: rows digest" % NAMES)
    print("\n".join(lines()))
