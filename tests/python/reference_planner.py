"""stoker's planner again, in plain Python with lists: what the C one must equal.

Written from docs/determinism.md; O(N) in memory, no other imports."""

MASK32, MASK64 = (1 << 32) - 1, (1 << 64) - 1


def philox(counter, key):
    c, k = list(counter), list(key)
    for _ in range(10):
        p, q = 0xD2511F53 * c[0], 0xCD9E8D57 * c[2]
        c = [q >> 32 ^ c[1] ^ k[0], q & MASK32, p >> 32 ^ c[3] ^ k[1], p & MASK32]
        k = [(k[0] + 0x9E3779B9) & MASK32, (k[1] + 0xBB67AE85) & MASK32]
    return c


def draw(seed, epoch, item, stream, block):
    high = item >> 32 & 0xFFFF | (block & 0xFF) << 16 | (epoch >> 32 & 0xFF) << 24
    w = philox([item & MASK32, high, epoch & MASK32, stream], [seed & MASK32, seed >> 32])
    return w[1] << 32 | w[0], w[3] << 32 | w[2]


def round_value(half, key):
    x = (half + key) * 0xBF58476D1CE4E5B9 & MASK64
    x = (x ^ x >> 32 ^ key) * 0x94D049BB133111EB & MASK64
    return (x ^ x >> 31) >> 32


def order(seed, epoch, n, shuffle=True, positions=None):
    """The ids at positions (all of them by default) of an epoch."""
    positions = range(n) if positions is None else positions
    if not shuffle:
        return list(positions)
    bits = max(6, (n - 1).bit_length())
    low_bits, ids = bits // 2, []
    low_mask, high_mask = (1 << low_bits) - 1, (1 << bits - low_bits) - 1
    keys = [k for i in range(4) for k in draw(seed, epoch, n - 1, 1, i)]
    for x in positions:
        while True:
            low, high = x & low_mask, x >> low_bits
            for a, b in zip(keys[::2], keys[1::2]):
                low ^= round_value(high, a) & low_mask
                high ^= round_value(low, b) & high_mask
            x = high << low_bits | low
            if x < n:
                break
        ids.append(x)
    return ids


def epoch_batches(ids, consumed, world, batch, drop_last):
    """For each step, a list of each rank's rows; None is padding."""
    steps = [ids[i : i + batch] for i in range(consumed, len(ids), batch)]
    for step in steps[: len(steps) - (drop_last and bool(steps) and len(steps[-1]) < batch)]:
        share, extra = divmod(len(step), world)
        ends = [r * share + min(r, extra) for r in range(world + 1)]
        rows = [step[ends[r] : ends[r + 1]] for r in range(world)]
        yield [r + [None] * (share + (extra > 0) - len(r)) for r in rows]
