"""SipHash-2-4 with 128 bits out, and what stoker hashes by it (docs/formats.md)."""

import struct

MASK = (1 << 64) - 1
KEY, KEY_OF_IDS = b"stoker hash key\0", b"stoker id digest"


def siphash128(data, key=KEY):
    k0, k1 = struct.unpack("<2Q", key)
    v = [k0 ^ 0x736F6D6570736575, k1 ^ 0x646F72616E646F6D ^ 0xEE,
         k0 ^ 0x6C7967656E657261, k1 ^ 0x7465646279746573]

    def turn(x, bits):
        return (x << bits | x >> 64 - bits) & MASK

    def mix(rounds):
        a, b, c, d = v
        for _ in range(rounds):
            a = (a + b) & MASK
            b, a = turn(b, 13) ^ a, turn(a, 32)
            c = (c + d) & MASK
            d = turn(d, 16) ^ c
            a = (a + d) & MASK
            d = turn(d, 21) ^ a
            c = (c + b) & MASK
            b, c = turn(b, 17) ^ c, turn(c, 32)
        v[:] = a, b, c, d

    padded = data + bytes(7 - len(data) % 8) + bytes([len(data) & 0xFF])
    for (word,) in struct.iter_unpack("<Q", padded):
        v[3] ^= word
        mix(2)
        v[0] ^= word
    v[2] ^= 0xEE
    mix(4)
    low = v[0] ^ v[1] ^ v[2] ^ v[3]
    v[1] ^= 0xDD
    mix(4)
    return struct.pack("<2Q", low, v[0] ^ v[1] ^ v[2] ^ v[3])


def digest(ids):
    """The sum that stoker_plan_digest() gives, as one integer."""
    each = (siphash128(struct.pack("<q", i), KEY_OF_IDS) for i in ids)
    return sum(int.from_bytes(h, "little") for h in each) % (1 << 128)


def folder_fingerprint(names_and_labels):
    """Of a folder's items: names from the root, as bytes."""
    parts = [struct.pack("<3Q", 1, 0, len(names_and_labels))]
    for name, label in names_and_labels:
        parts += [struct.pack("<Q", len(name)), name, struct.pack("<q", label)]
    return siphash128(b"".join(parts))
