"""Makes hostile files from nothing: each is a few lines that say what lies.

ATTACKS is the public list: name, origin (the class of bug, with a known case),
bytes, the code that a checker must answer and words of its sentence."""

import errno
import struct
import zlib


def segment(marker, body):
    return bytes([0xff, marker]) + struct.pack(">H", len(body) + 2) + body


DQT = segment(0xdb, bytes([0]) + bytes([1] * 64))
# Two codes of one bit: category 0 (DC) and end of block (AC).
DHT = segment(0xc4, b"\0" + bytes([1] + [0] * 15) + b"\0") + \
    segment(0xc4, b"\x10" + bytes([1] + [0] * 15) + b"\0")


def frame(width, height, marker=0xc0, n=1, precision=8):
    parts = b"".join(bytes([i + 1, 0x11, 0]) for i in range(n))
    return segment(marker, struct.pack(">BHHB", precision, height, width, n) + parts)


def scan(data, first=0, last=63, n=1, bits=0):
    parts = b"".join(bytes([i + 1, 0]) for i in range(n))
    return segment(0xda, bytes([n]) + parts + bytes([first, last, bits])) + data


def jpeg(*pieces):
    return b"\xff\xd8" + b"".join(pieces) + b"\xff\xd9"


def progressive(width, height, n_scans):
    n_blocks = -(-width // 8) * -(-height // 8)
    data = bytes(-(-n_blocks // 8))
    return jpeg(DQT, DHT, frame(width, height, 0xc2), scan(data, 0, 0),
                scan(data, 1, 63) * n_scans)


def chunk(kind, body, crc=None):
    crc = zlib.crc32(kind + body) if crc is None else crc
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)


def png(width, height, *chunks, depth=8, colour=0):
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + b"".join(chunks) + chunk(b"IEND", b"")


def idat(n_bytes):
    return chunk(b"IDAT", zlib.compress(bytes(n_bytes), 9))


def bomb(n_bytes):
    """zlib of so many zeros, made without holding them."""
    pack, piece = zlib.compressobj(9), bytes(1 << 20)
    return b"".join(pack.compress(piece) for _ in range(n_bytes >> 20)) + pack.flush()


def riff(*chunks, size=None):
    body = b"WEBP" + b"".join(kind + struct.pack("<I", n) + data for kind, n, data in chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


GOOD = jpeg(DQT, DHT, frame(16, 16), scan(b"\0"))
BAD, SHORT, BIG, NO = errno.EBADMSG, errno.ENODATA, errno.EFBIG, errno.EOPNOTSUPP

ATTACKS = [
    # name, origin, bytes, code (0: Pillow reads it, and so it decodes), words
    ("control", "none: the generator's own good file", GOOD, 0, ""),
    ("jpeg_header_65500", "decompression bomb (CVE-2018-11813's class)",
     jpeg(DQT, DHT, frame(65500, 65500), scan(b"\0" * 99)), BIG, "65500 x 65500"),
    ("jpeg_progressive_20000", "memory of coefficients (libjpeg-turbo LJT-01-005)",
     jpeg(DQT, DHT, frame(20000, 20000, 0xc2), scan(b"\0" * 99, 0, 0)), BIG, "20000 x 20000"),
    ("jpeg_2000_scans", "CPU bomb by scans (LJT-01-004)", progressive(64, 64, 2000), BIG, "scans"),
    ("jpeg_499_scans", "just under the limit of scans", progressive(64, 64, 498), 0, ""),
    ("jpeg_no_components", "frame of 0 components", jpeg(DQT, DHT, frame(16, 16, n=0)), NO, "layers"),
    ("jpeg_255_components", "component count past arrays (CVE-2017-15232's class)",
     jpeg(DQT, DHT, frame(16, 16, n=255), scan(b"\0")), NO, "layers"),
    ("jpeg_height_0", "DNL: height to come", jpeg(DQT, DHT, frame(16, 0), scan(b"\0")), BAD, "without pixels"),
    ("jpeg_lossless", "SOF3, read as if baseline", jpeg(DQT, DHT, frame(16, 16, 0xc3), scan(b"\0")),
     BAD, "0xc3"),
    ("jpeg_12_bit", "precision that rows are not made for (CVE-2023-2804)",
     jpeg(DQT, DHT, frame(16, 16, precision=12), scan(b"\0")), NO, "other than 8 bits"),
    ("jpeg_huffman_overfull", "more codes than bits allow (CVE-2013-6629's class)",
     jpeg(DQT, segment(0xc4, b"\0" + bytes([255] * 16) + bytes(255)), frame(16, 16), scan(b"\0")),
     BAD, "Bogus Huffman table"),
    ("jpeg_no_huffman", "a scan without tables (CVE-2013-6630)",
     jpeg(DQT, frame(16, 16), scan(b"\0")), 0, ""),
    ("jpeg_quantiser_15", "table number past the array",
     jpeg(segment(0xdb, b"\x0f" + bytes(64)), DHT, frame(16, 16), scan(b"\0")), BAD, "Bogus DQT index"),
    ("jpeg_segment_length_0", "length shorter than itself: libjpeg and Pillow skip nothing",
     b"\xff\xd8\xff\xe1\0\0" + GOOD[2:], 0, ""),
    ("jpeg_segment_past_end", "length past the end", b"\xff\xd8\xff\xe1\xff\xff", SHORT, "truncated"),
    ("jpeg_cut", "half a file", GOOD[:len(GOOD) // 2], SHORT, "truncated"),
    ("jpeg_two_bytes", "SOI alone", GOOD[:2], SHORT, "truncated"),
    ("png_huge_sides", "width * height over 2^32 (CVE-2004-0599's class)",
     png(2**31 - 1, 2**31 - 1, idat(99)), BIG, "the limit is 65500"),
    ("png_side_2_32", "a side over 2^31", png(2**32 - 1, 1, idat(99)), BIG, "the limit is 65500"),
    ("png_text_bomb", "zTXt that inflates to 512 MiB (CVE-2014-9601)",
     png(4, 4, chunk(b"zTXt", b"k\0\0" + bomb(512 << 20)), idat(20)), BIG, "text chunk that expands"),
    ("png_data_bomb", "IDAT that inflates to 512 MiB for 4 x 4",
     png(4, 4, chunk(b"IDAT", bomb(512 << 20))), 0, ""),
    ("png_bad_crc", "checksum of IHDR lies",
     b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 8, 0, 0, 0, 0), 1),
     BAD, "wrong checksum"),
    ("png_palette_missing", "colour 3 without PLTE (CVE-2015-8126's class)",
     png(4, 4, idat(20), colour=3), 0, ""),
    ("png_chunk_2_31", "a chunk of 2^31 bytes",
     b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31) + b"IHDR" + bytes(20), SHORT, "truncated"),
    ("png_cut", "half a file", png(64, 64, chunk(b"IDAT", zlib.compress(bytes(range(256)) * 17)))[:60],
     SHORT, "truncated"),
    ("webp_size_lies", "RIFF says 2 GiB", riff((b"VP8 ", 10, bytes(10)), size=2**31), BAD, "WebP"),
    ("webp_chunk_lies", "VP8L says 4 GiB (CVE-2023-4863's class)",
     riff((b"VP8L", 2**32 - 2, b"\x2f" + bytes(60))), BAD, "WebP"),
    ("webp_huge_canvas", "VP8X of 2^24 x 2^24",
     riff((b"VP8X", 10, bytes(4) + b"\xff" * 6), (b"VP8L", 8, b"\x2f" + bytes(7))), BIG, "the limit is 65500"),
    ("gif", "a format that is not read here", b"GIF89a" + bytes(40), NO, "GIF"),
    ("html", "a server's error page", b"<html>404</html>", NO, "HTML"),
    ("zeros", "a hole in a broken file system", bytes(8192), BAD, "not an image"),
    ("shell", "a script with an image's name", b"#!/bin/sh\nrm -rf /\n", BAD, "not an image"),
]
