"""
What the simulator reckons with, written a second time from its description, in another language: the digest of a run
and the streams of random numbers. Reads one JSON object and writes the answers as another.
"""
import hashlib
import json
import math
import sys

WORD = 0xFFFFFFFF


def rotated(word, by):
    return (word << by | word >> 32 - by) & WORD


class Digest:
    """Two multiplicative hashes of 32 bits, side by side."""

    def __init__(self):
        self.a, self.b = 0x811C9DC5, 0x1B873593

    def pair(self, low, high):
        low, high = low & WORD, high & WORD
        a = (self.a ^ low) * 0x01000193 & WORD ^ high
        self.b = rotated(self.b, 13) * 5 + (low ^ high) * 0x85EBCA6B & WORD
        self.a = a ^ a >> 15

    def number(self, value):
        self.pair(value, value >> 32)

    def text(self, text):
        encoded = text.encode('utf-16-le')
        units = [int.from_bytes(encoded[at : at + 2], 'little') for at in range(0, len(encoded), 2)]
        if len(units) < 128:
            self.units(units)
        else:
            inner = Digest()
            inner.units(units)
            self.pair(inner.a, inner.b)

    def units(self, units):
        self.pair(len(units), 0)
        units = units + [0] * (-len(units) % 4)
        for at in range(0, len(units), 4):
            first, second, third, fourth = units[at : at + 4]
            self.pair(first | second << 16, third | fourth << 16)

    def sample(self, data):
        self.number(len(data))
        for part in range(1, 9):
            at = -(-len(data) * part // 8) - 1
            self.number(data[at] if at >= 0 else 0)


def digest(steps):
    state = Digest()
    for step, *values in steps:
        getattr(state, step)(*values)
    return '%08x%08x' % (state.a, state.b)


def stream(seed, label, count):
    """xoshiro128**, whose state is the first half of the SHA-256 of seed and label."""
    entropy = hashlib.sha256(f'{seed}/{label}'.encode()).digest()
    s = [int.from_bytes(entropy[at : at + 4], 'big') for at in range(0, 16, 4)]
    for _ in range(count):
        yield rotated(s[1] * 5 & WORD, 7) * 9 & WORD
        shifted = s[1] << 9 & WORD
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = rotated(s[3], 11)


asked = json.load(sys.stdin)
json.dump(
    {
        'digests': [digest(steps) for steps in asked['digests']],
        'streams': [list(stream(*one)) for one in asked['streams']],
        'exponential': [
            [-mean * math.log((word + 1) / 2**32) for word in stream(seed, label, count)]
            for seed, label, count, mean in asked['exponential']
        ],
    },
    sys.stdout,
)
