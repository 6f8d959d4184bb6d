"""Known values of the checksum in peer/storage/checksum.ts, from its description: FNV-1a in two lanes over UTF-16."""
import json
import struct

PRIME, START, MASK = 0x01000193, 0x811C9DC5, 0xFFFFFFFF


def units(text):
    data = text.encode("utf-16-le", "surrogatepass")
    return list(struct.unpack("<%dH" % (len(data) // 2), data))


def checksum(key, value):
    data = units(value)
    lanes = [START ^ len(data), START]
    for unit in units(key):
        lanes[0] = (lanes[0] ^ unit) * PRIME & MASK
    whole = len(data) // 4 * 4
    for at in range(0, whole, 2):
        lane = at // 2 % 2
        lanes[lane] = (lanes[lane] ^ data[at] ^ data[at + 1] << 16) * PRIME & MASK
    for unit in data[whole:]:
        lanes[0] = (lanes[0] ^ unit) * PRIME & MASK
    folded = lanes[0] * PRIME & MASK ^ lanes[1] ^ lanes[1] >> 15
    return "%08x" % folded


CASES = [
    ("", ""),
    ("key", ""),
    ("key", "value"),
    ("b/0", '{"height":0}'),
    ("pbft/owner", "0123456789abcdef" * 4 + " 1"),
    ("key", "Größe € \U0001f600 end"),
    ("key", "v" * 1001),
]
print(json.dumps([[key, value, checksum(key, value)] for key, value in CASES], indent=1))
