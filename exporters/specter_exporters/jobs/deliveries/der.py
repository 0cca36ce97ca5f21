"""As much of ASN.1's distinguished encoding (X.690) as public keys and signatures need."""

import ssl
from collections.abc import Iterator

SEQUENCE, INTEGER, BIT_STRING, OBJECT = 0x30, 0x02, 0x03, 0x06
RSA = bytes.fromhex("2a864886f70d010101")  # rsaEncryption
EC_P256 = bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2a8648ce3d030107")  # ecPublicKey, prime256v1
_UNCOMPRESSED = 4


class DerError(ValueError):
    """It is not encoded as it has to be."""


def items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the tag and the content of each value in `data`.

    Raises:
        DerError: it ends too early, or a length is none.
    """
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise DerError("a value ends too early")
        tag, length, at = data[at], data[at + 1], at + 2
        if length & 0x80:
            size = length & 0x7F
            if not 1 <= size <= 3 or at + size > len(data):
                raise DerError("a length is none")
            length, at = int.from_bytes(data[at : at + size], "big"), at + size
        if at + length > len(data):
            raise DerError("a value ends too early")
        yield tag, data[at : at + length]
        at += length


def sequence(data: bytes) -> list[tuple[int, bytes]]:
    """Return what is in the one sequence that `data` is.

    Raises:
        DerError: it is none.
    """
    found = list(items(data))
    if len(found) != 1 or found[0][0] != SEQUENCE:
        raise DerError("is no sequence")
    return list(items(found[0][1]))


def two_integers(data: bytes) -> tuple[int, int]:
    """Return the two numbers of a sequence: a signature of ECDSA, or a key of RSA.

    Raises:
        DerError: it is none.
    """
    found = sequence(data)
    if [tag for tag, _ in found] != [INTEGER, INTEGER]:
        raise DerError("is not two numbers")
    first, second = (int.from_bytes(content, "big", signed=True) for _, content in found)
    return first, second


def p256_key(data: bytes) -> tuple[int, int]:
    """Return the point of a SubjectPublicKeyInfo (RFC 5480) on the curve P-256.

    Raises:
        DerError: it is none.
    """
    algorithm, point = _public_key(data)
    if tuple(content for _, content in algorithm) != EC_P256 or len(point) != 65 or point[0] != _UNCOMPRESSED:
        raise DerError("is no key of the curve P-256")
    return int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")


def rsa_key_of(certificate: str) -> tuple[int, int]:
    """Return modulus and exponent of the RSA key in a certificate (PEM).

    Raises:
        DerError: it is no certificate, or has another key.
    """
    try:
        data = ssl.PEM_cert_to_DER_cert(certificate.strip())
    except ValueError as error:
        raise DerError("is no certificate in PEM") from error
    outer = sequence(data)
    fields = list(items(outer[0][1])) if outer and outer[0][0] == SEQUENCE else []
    for tag, content in fields:
        if tag != SEQUENCE:
            continue
        inner = list(items(content))
        # Of a certificate's fields, the key alone is an algorithm with a bit string (RFC 5280, 4.1).
        if [each for each, _ in inner] == [SEQUENCE, BIT_STRING]:
            algorithm, key = _public_key_of(inner)
            if algorithm and algorithm[0] == (OBJECT, RSA):
                return two_integers(key)
    raise DerError("is no certificate with a key of RSA")


def _public_key(data: bytes) -> tuple[list[tuple[int, bytes]], bytes]:
    inner = sequence(data)
    if [tag for tag, _ in inner] != [SEQUENCE, BIT_STRING]:
        raise DerError("is no public key")
    return _public_key_of(inner)


def _public_key_of(inner: list[tuple[int, bytes]]) -> tuple[list[tuple[int, bytes]], bytes]:
    bits = inner[1][1]
    if not bits or bits[0] != 0:
        raise DerError("is no public key")
    return list(items(inner[0][1])), bits[1:]
