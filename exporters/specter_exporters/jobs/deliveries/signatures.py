"""Signatures of providers: HMAC-SHA256 (Standard Webhooks), ECDSA on P-256 (SendGrid), RSA (Amazon SNS).

Verifying handles no secret but the HMAC's key, which `hmac` compares in constant time; so the other two need
no package of cryptography.
"""

import base64
import binascii
import hashlib
import hmac

from specter_exporters.jobs.deliveries.der import DerError, two_integers

Point = tuple[int, int]
# FIPS 186-4, D.1.2.3.
P = 0xFFFFFFFF00000001000000000000000000000000FFFFFFFFFFFFFFFFFFFFFFFF
N = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
G = (
    0x6B17D1F2E12C4247F8BCE6E563A440F277037D812DEB33A0F4A13945D898C296,
    0x4FE342E2FE1A7F9B8EE7EB4A7C0F9E162BCE33576B315ECECBB6406837BF51F5,
)
# DigestInfo before the digest (RFC 8017, 9.2).
_DIGEST_INFO = {
    "sha1": bytes.fromhex("3021300906052b0e03021a05000414"),
    "sha256": bytes.fromhex("3031300d060960864801650304020105000420"),
}
LEAST_RSA_BITS = 2048


def hmac_key(secret: str) -> bytes:
    """Return the key that a shared secret is: itself, or what is in base64 behind `whsec_`.

    Raises:
        ValueError: that is none.
    """
    if not secret.startswith("whsec_"):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise ValueError("expected base64 behind whsec_") from None


def hmac_matches(key: bytes, signed: bytes, header: str) -> bool:
    """Return whether a `webhook-signature` header (`v1,<base64>`, several with blanks) has one of `key`."""
    expected = base64.b64encode(hmac.digest(key, signed, "sha256"))
    found = False
    for each in header.split(" ")[:10]:
        version, _, signature = each.partition(",")
        if version == "v1" and hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
            found = True
    return found


def ecdsa_matches(key: Point, signed: bytes, signature: str) -> bool:
    """Return whether a signature (DER in base64) of SHA-256 is that of the P-256 key (FIPS 186-4, 6.4)."""
    try:
        r, s = two_integers(base64.b64decode(signature, validate=True))
    except (DerError, binascii.Error, ValueError):
        return False
    if not (0 < r < N and 0 < s < N and on_curve(key)):
        return False
    digest = int.from_bytes(hashlib.sha256(signed).digest(), "big")
    inverse = pow(s, -1, N)
    point = _sum(_times(G, digest * inverse % N), _times(key, r * inverse % N))
    return point is not None and point[0] % N == r


def on_curve(point: Point) -> bool:
    """Return whether a point is one of P-256."""
    x, y = point
    return 0 <= x < P and 0 <= y < P and (y * y - (x * x * x - 3 * x + B)) % P == 0


def _times(point: Point, factor: int) -> Point | None:
    result: Point | None = None
    addend: Point | None = point
    while factor:
        if factor & 1:
            result = _sum(result, addend)
        addend = _sum(addend, addend)
        factor >>= 1
    return result


def _sum(first: Point | None, second: Point | None) -> Point | None:
    """Add two points of the curve; None is the one at infinity."""
    if first is None or second is None:
        return second if first is None else first
    (x1, y1), (x2, y2) = first, second
    if x1 == x2:
        if (y1 + y2) % P == 0:
            return None
        slope = (3 * x1 * x1 - 3) * pow(2 * y1, -1, P) % P
    else:
        slope = (y2 - y1) * pow(x2 - x1, -1, P) % P
    x = (slope * slope - x1 - x2) % P
    return x, (slope * (x1 - x) - y1) % P


def rsa_matches(key: tuple[int, int], signed: bytes, signature: str, digest: str) -> bool:
    """Return whether a signature (base64) is that of the RSA key (RSASSA-PKCS1-v1_5: RFC 8017, 8.2.2).

    Args:
        key: modulus and exponent; a short modulus matches nothing.
        signed: what is signed.
        signature: of it.
        digest: `sha1` or `sha256`.
    """
    modulus, exponent = key
    size = (modulus.bit_length() + 7) // 8
    try:
        found = base64.b64decode(signature, validate=True)
    except (binascii.Error, ValueError):
        return False
    if modulus.bit_length() < LEAST_RSA_BITS or len(found) != size or int.from_bytes(found, "big") >= modulus:
        return False
    tail = _DIGEST_INFO[digest] + hashlib.new(digest, signed).digest()
    expected = b"\x00\x01" + b"\xff" * (size - len(tail) - 3) + b"\x00" + tail
    # The whole block is compared: what is parsed can be forged (Bleichenbacher, 2006).
    return pow(int.from_bytes(found, "big"), exponent, modulus).to_bytes(size, "big") == expected
