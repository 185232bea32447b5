"""Reads every vector with code of its own: a second reading of docs/formats/sealed-feed.md.

It shares nothing with the Rust reader, so that an error in the specification, or one that writer
and reader both make, shows. Needs Python 3.11 and `cryptography` 47 or newer (for ML-KEM).

    python3 conformance/sealed-feed/check.py
"""

import base64
import functools
import hashlib
import hmac
import json
import pathlib
import struct
import sys

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

HERE = pathlib.Path(__file__).resolve().parent
MAGIC = b"twinkeep-sealed-feed/v1\n"
CHUNK = 16_384 + 16
SEGMENT = 64 * CHUNK
X_WING, X25519 = 0x647A, 0x0020


class Refused(Exception):
    """Carries the code of a refusal."""


def need(condition, code):
    if not condition:
        raise Refused(code)


# --- BLAKE3, for inputs of any length -------------------------------------------------------

IV = (0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)
ORDER = (2, 6, 3, 10, 7, 0, 4, 13, 1, 11, 12, 5, 9, 14, 15, 8)
COLUMNS = ((0, 4, 8, 12), (1, 5, 9, 13), (2, 6, 10, 14), (3, 7, 11, 15))
DIAGONALS = ((0, 5, 10, 15), (1, 6, 11, 12), (2, 7, 8, 13), (3, 4, 9, 14))
START, END, PARENT, ROOT = 1, 2, 4, 8


def compress(chaining, block, counter, length, flags):
    m = struct.unpack("<16I", block.ljust(64, b"\0"))
    v = [*chaining, *IV[:4], counter & 0xFFFFFFFF, counter >> 32, length, flags]
    for _ in range(7):
        for i, (a, b, c, d) in enumerate(COLUMNS + DIAGONALS):
            for word, r, s in ((m[2 * i], 16, 12), (m[2 * i + 1], 8, 7)):
                v[a] = (v[a] + v[b] + word) & 0xFFFFFFFF
                x = v[d] ^ v[a]
                v[d] = (x >> r | x << (32 - r)) & 0xFFFFFFFF
                v[c] = (v[c] + v[d]) & 0xFFFFFFFF
                x = v[b] ^ v[c]
                v[b] = (x >> s | x << (32 - s)) & 0xFFFFFFFF
        m = [m[i] for i in ORDER]
    return [v[i] ^ v[i + 8] for i in range(8)]


def subtree(data, counter, root):
    if len(data) <= 1024:
        chaining = IV
        blocks = [data[i : i + 64] for i in range(0, len(data), 64)] or [b""]
        for i, block in enumerate(blocks):
            flags = (START if i == 0 else 0) | (END | root if i == len(blocks) - 1 else 0)
            chaining = compress(chaining, block, counter, len(block), flags)
        return chaining
    left = 1 << ((len(data) - 1).bit_length() - 1)
    pair = subtree(data[:left], counter, 0) + subtree(data[left:], counter + left // 1024, 0)
    return compress(IV, struct.pack("<16I", *pair), 0, 64, PARENT | root)


@functools.cache
def blake3(data):
    return struct.pack("<8I", *subtree(data, 0, ROOT))


# --- Key derivation, HPKE, X-Wing -----------------------------------------------------------


def expand(prk, info, length, digest):
    out, block, index = b"", b"", 1
    while len(out) < length:
        block = hmac.digest(prk, block + info + bytes([index]), digest)
        out, index = out + block, index + 1
    return out[:length]


def labeled_extract(suite, salt, label, ikm):
    return hmac.digest(salt or bytes(32), b"HPKE-v1" + suite + label + ikm, "sha256")


def labeled_expand(suite, prk, label, info, length):
    labeled = length.to_bytes(2) + b"HPKE-v1" + suite + label + info
    return expand(prk, labeled, length, "sha256")


def x25519_shared(private, public):
    return private.exchange(X25519PublicKey.from_public_bytes(public))


def decapsulate(kem, key, enc):
    """RFC 9180, 4.1, and draft-connolly-cfrg-xwing-kem."""
    if kem == X25519:
        private = X25519PrivateKey.from_private_bytes(key["x25519"])
        suite = b"KEM" + X25519.to_bytes(2)
        prk = labeled_extract(suite, b"", b"eae_prk", x25519_shared(private, enc))
        context = enc + private.public_key().public_bytes_raw()
        return labeled_expand(suite, prk, b"shared_secret", context, 32)
    expanded = hashlib.shake_256(key["xwing"]).digest(96)
    one = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).decapsulate(enc[:1088])
    private = X25519PrivateKey.from_private_bytes(expanded[64:])
    two = x25519_shared(private, enc[1088:])
    public = private.public_key().public_bytes_raw()
    return hashlib.sha3_256(one + two + enc[1088:] + public + rb"\.//^" + b"\\").digest()


def hpke_open(kem, key, enc, info, sealed):
    suite = b"HPKE" + kem.to_bytes(2) + (1).to_bytes(2) + (2).to_bytes(2)
    shared = decapsulate(kem, key, enc)
    context = b"\0" + labeled_extract(suite, b"", b"psk_id_hash", b"")
    context += labeled_extract(suite, b"", b"info_hash", info)
    secret = labeled_extract(suite, shared, b"secret", b"")
    nonce = labeled_expand(suite, secret, b"base_nonce", context, 12)
    return AESGCM(labeled_expand(suite, secret, b"key", context, 32)).decrypt(nonce, sealed, b"")


def load_key(name):
    raw = json.loads((HERE / "keys" / f"{name}.test-key.json").read_text())
    signing = Ed25519PrivateKey.from_private_bytes(bytes.fromhex(raw["signing_seed"]))
    key = {"signing": signing.public_key(), "x25519": bytes.fromhex(raw["x25519_private"])}
    private = X25519PrivateKey.from_private_bytes(key["x25519"])
    key["public"] = {X25519: private.public_key().public_bytes_raw()}
    if raw["xwing_seed"]:
        key["xwing"] = bytes.fromhex(raw["xwing_seed"])
        expanded = hashlib.shake_256(key["xwing"]).digest(96)
        public = MLKEM768PrivateKey.from_seed_bytes(expanded[:64]).public_key().public_bytes_raw()
        x = X25519PrivateKey.from_private_bytes(expanded[64:]).public_key().public_bytes_raw()
        key["public"][X_WING] = public + x
    key["id"] = hashlib.sha256(signing.public_key().public_bytes_raw()).hexdigest()[:32]
    key["digest"] = {
        kem: hashlib.sha256(kem.to_bytes(2) + public).digest() for kem, public in key["public"].items()
    }
    assert key["id"] == raw["signing_key_id"]
    preferred = X_WING if raw["xwing_seed"] else X25519
    assert key["digest"][preferred].hex()[:32] == raw["sealing_key_id"]
    return key


# --- The feed -------------------------------------------------------------------------------


class Input:
    def __init__(self, data):
        self.data, self.position = data, 0

    def take(self, length):
        piece = self.data[self.position : self.position + length]
        need(len(piece) == length, "feed-truncated")
        self.position += length
        return piece


def unique(pairs):
    need(len(dict(pairs)) == len(pairs), "feed-header-malformed")
    return dict(pairs)


def parse_header(raw):
    bad = "feed-header-malformed"
    try:
        header = json.loads(raw, object_pairs_hook=unique)
    except ValueError:
        raise Refused(bad) from None
    need(json.dumps(header, separators=(",", ":"), sort_keys=True).encode() == raw, bad)
    need(header.get("version") == 1, "feed-version-unknown")
    fields = ["feed_id", "media_type", "previous", "recipients", "sender", "sequence", "version"]
    need(list(header) == fields, bad)
    need(type(header["sequence"]) is int and 1 <= header["sequence"] < 2**53, bad)
    need((header["sequence"] == 1) == (header["previous"] is None), bad)
    names = ["aead", "encapsulated", "kdf", "kem", "key_id", "wrapped"]
    ids = {r["key_id"] for r in header["recipients"]}
    need(len(ids) == len(header["recipients"]) and 1 <= len(ids) <= 100, bad)
    for r in header["recipients"]:
        need(list(r) == names and r["kem"] in (X_WING, X25519) and (r["kdf"], r["aead"]) == (1, 2), bad)
    return header


def verify(key, signature, message, code):
    try:
        key.verify(signature, message)
    except InvalidSignature:
        raise Refused(code) from None


def check_history(header, vector):
    last = vector["last"] or {"sequence": 0, "manifest": None}
    ahead = header["sequence"] - last["sequence"]
    need(ahead > 0, "feed-replayed")
    need(ahead != 1 or header["previous"] == last["manifest"], "feed-forked")
    need(ahead == 1 or vector["gaps"] == "allow", "feed-gap")


def content_key(header, sender, recipient):
    for kem, digest in recipient["digest"].items():
        for r in header["recipients"]:
            if r["kem"] == kem and r["key_id"] == digest.hex()[:32]:
                info = b"twinkeep/v1/feed-content\0" + bytes.fromhex(header["feed_id"])
                info += header["sequence"].to_bytes(8) + sender["signing"].public_bytes_raw() + digest
                enc, sealed = (base64.b64decode(r[f]) for f in ("encapsulated", "wrapped"))
                try:
                    return hpke_open(kem, recipient, enc, info, sealed)
                except InvalidTag:
                    raise Refused("feed-key-unwrap") from None
    raise Refused("feed-wrong-recipient")


def read_feed(data, vector, released):
    feed = Input(data)
    if not data.startswith(MAGIC):
        need(not MAGIC.startswith(data), "feed-truncated")
        need(not data.startswith(MAGIC[:21]), "feed-version-unknown")
        raise Refused("feed-not-sealed")
    feed.take(len(MAGIC))
    length = int.from_bytes(feed.take(4))
    need(length <= 262_144, "feed-header-malformed")
    raw, salt, commitment, signature = (feed.take(n) for n in (length, 24, 32, 64))
    header = parse_header(raw)
    senders = {key["id"]: key for key in map(load_key, vector["senders"])}
    need(header["sender"] in senders, "feed-unknown-sender")
    sender = senders[header["sender"]]
    inner = hashlib.sha256(raw).digest()
    statement = b"twinkeep/v1/sealed-feed/head\0" + inner + salt + commitment
    verify(sender["signing"], signature, statement, "feed-header-altered")
    check_history(header, vector)
    key = content_key(header, sender, load_key(vector["recipient"]))
    info = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0" + salt
    info += b"twinkeep/v1/sealed-feed/body\0" + inner
    derived = expand(key, info, 76, "sha512")
    need(derived[44:] == commitment, "feed-key-commitment")
    head = hashlib.sha256(statement).digest()
    return read_segments(feed, header, sender, head, derived, released)


def read_segments(feed, header, sender, head, derived, released):
    cipher, nonce = AESGCM(derived[:32]), int.from_bytes(derived[32:44])
    index, total, digests = 0, 0, b""
    while True:
        flag, found, length = struct.unpack(">BQI", feed.take(13))
        valid = {0: length == SEGMENT, 1: length < SEGMENT and length % CHUNK >= 16}
        need(valid.get(flag, False), "feed-segment-malformed")
        need(found == index, "feed-reordered")
        body, signature = feed.take(length), feed.take(64)
        digest = blake3(body)
        statement = b"twinkeep/v1/sealed-feed/segment\0" + bytes.fromhex(header["feed_id"])
        statement += header["sequence"].to_bytes(8) + head + index.to_bytes(8) + bytes([flag]) + digest
        verify(sender["signing"], signature, statement, "feed-segment-forged")
        plain = b""
        for i in range(0, length, CHUNK):
            number = index * 64 + i // CHUNK
            try:
                plain += cipher.decrypt((nonce ^ number).to_bytes(12), body[i : i + CHUNK], b"")
            except InvalidTag:
                raise Refused("feed-chunk-altered") from None
        index, total, digests = index + 1, total + len(plain), digests + digest
        need(flag == 0 or feed.position == len(feed.data), "feed-trailing-data")
        released += plain
        if flag == 1:
            end = index.to_bytes(8) + total.to_bytes(8)
            return blake3(b"twinkeep/v1/sealed-feed/manifest\0" + head + digests + end).hex()


def check(path):
    vector = json.loads(path.read_text())
    data = b""
    for part in vector["parts"]:
        if "hex" in part:
            data += bytes.fromhex(part["hex"])
        if "file" in part:
            data += (path.parent / part["file"]).read_bytes()[part.get("from") : part.get("to")]
    released = bytearray()
    try:
        result, manifest = "opens", read_feed(data, vector, released)
    except Refused as refused:
        result, manifest = str(refused), None
    content = bytes(i % 251 for i in range(vector["released_len"]))
    return (result, manifest, bytes(released)) == (vector["expect"], vector["manifest"], content), result


def main():
    wrong = 0
    paths = sorted(HERE.glob("*valid/*.json"))
    for path in paths:
        good, result = check(path)
        if not good:
            wrong += 1
            print(f"{path.parent.name}/{path.stem}: {result}")
    print(f"{len(paths)} vectors, {wrong} came out otherwise")
    sys.exit(1 if wrong or not paths else 0)


main()
