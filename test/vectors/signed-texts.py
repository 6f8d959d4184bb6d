"""Makes signed-texts.json: what PBFT's members sign, byte for byte, made from the description alone.

No code of the peer is used: the texts are put together by hand, JSON is Python's, and signatures are made as section 5.1
of RFC 8032 says, without a library. To run it: python3 test/vectors/signed-texts.py && npx prettier --write test/vectors
"""
import base64
import hashlib
import json
import pathlib

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def add(a, b):
    """The sum of two points of the curve, in extended coordinates."""
    x1, y1, z1, t1 = a
    x2, y2, z2, t2 = b
    e, f = (y1 - x1) * (y2 - x2) % P, (y1 + x1) * (y2 + x2) % P
    g, h = 2 * t1 * t2 * D % P, 2 * z1 * z2 % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def times(scalar, point):
    result = (0, 1, 1, 0)
    while scalar:
        if scalar & 1:
            result = add(result, point)
        point = add(point, point)
        scalar >>= 1
    return result


def encode(point):
    x, y, z, _ = point
    inverse = pow(z, P - 2, P)
    x, y = x * inverse % P, y * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = 15112221349535400772501151409588531511454012693041857206046113283949847762202
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def sha512(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little")


def sign(seed, text):
    digest = hashlib.sha512(seed).digest()
    secret = int.from_bytes(digest[:32], "little") & (2**254 - 8) | 2**254
    public = encode(times(secret, BASE))
    message = text.encode()
    nonce = sha512(digest[32:], message) % L
    point = encode(times(nonce, BASE))
    s = (nonce + sha512(point, public, message) * secret) % L
    return base64.b64encode(point + s.to_bytes(32, "little")).decode()


def dumps(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sha256(text):
    return hashlib.sha256(text.encode()).hexdigest()


CLUSTER = "a \"cluster\""
SEEDS = [bytes([member + 1] * 32) for member in range(4)]
# What JSON writes in more than one way: quotes, controls, and characters beyond ASCII, one of them a pair in UTF-16.
OPERATION = '["append","\\"\u00e4\u2028\U0001f600\u007f/\\\\\\u0007"]\n\t\u0001'
DIGESTS = [sha256("one"), sha256("other")]
LARGEST = 2**53 - 1

vectors = []


def vector(kind, member, message, text):
    """Adds what a member signs. @returns the message with its signature"""
    signature = sign(SEEDS[member], text)
    vectors.append({"kind": kind, "member": member, "message": message, "text": text, "signature": signature})
    return {**message, "signature": signature}


request = vector(
    "request",
    2,
    {"client": 2, "timestamp": LARGEST, "operation": OPERATION},
    dumps(["request", CLUSTER, 2, LARGEST, OPERATION]),
)
batch_text = dumps(["batch", CLUSTER, 1700000000123, [[2, LARGEST, OPERATION, request["signature"]]]])
batch = {"time": 1700000000123, "requests": [request], "text": batch_text, "digest": sha256(batch_text)}
digest = batch["digest"]
# The primary of view 5 of four is member 1.
header = vector(
    "pre-prepare",
    1,
    {"view": 5, "sequence": 12, "digest": digest},
    dumps(["pre-prepare", CLUSTER, 5, 12, digest]),
)
vote = {"view": 5, "sequence": 12, "digest": digest, "replica": 3}
prepare = vector("prepare", 3, vote, dumps(["prepare", CLUSTER, 5, 12, digest, 3]))
vector("commit", 3, vote, dumps(["commit", CLUSTER, 5, 12, digest, 3]))
checkpoint = vector(
    "checkpoint",
    0,
    {"sequence": 8, "digest": DIGESTS[0], "replica": 0},
    dumps(["checkpoint", CLUSTER, 8, DIGESTS[0], 0]),
)
results = [[7, '{"stored":true}'], [9, '{"value":"\u00e4"}']]
vector(
    "reply",
    0,
    {"view": 5, "replica": 0, "client": 2, "results": results},
    dumps(["reply", CLUSTER, 5, 0, 2, results]),
)
header_fields = [5, 12, digest, header["signature"]]
prepares = [[3, prepare["signature"]]]
contents = sha256(dumps([[[8, DIGESTS[0], 0, checkpoint["signature"]]], [[header_fields, prepares]]]))
change = vector(
    "view-change",
    2,
    {
        "view": 6,
        "stable": 8,
        "certificate": [checkpoint],
        "prepared": [{"header": header, "prepares": prepares}],
        "replica": 2,
    },
    dumps(["view-change", CLUSTER, 6, 8, contents, 2]),
)
names = [[2, change["signature"]]]
contents = sha256(dumps([names, [header_fields]]))
# The primary of view 6 is member 2.
vector(
    "new-view",
    2,
    {"view": 6, "viewChanges": names, "headers": [header]},
    dumps(["new-view", CLUSTER, 6, contents]),
)

# A signature has one more text if s may be L or more: those who do not look take it.
first = vectors[0]
raw = base64.b64decode(first["signature"])
larger = (int.from_bytes(raw[32:], "little") + L).to_bytes(32, "little")

result = {
    "cluster": CLUSTER,
    "seeds": [seed.hex() for seed in SEEDS],
    "batch": batch,
    "vectors": vectors,
    "malleable": base64.b64encode(raw[:32] + larger).decode(),
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(result, indent=2) + "\n")
