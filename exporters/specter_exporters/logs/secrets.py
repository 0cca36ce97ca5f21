"""Mask what must not leave a log: passwords, tokens, keys, card numbers, mail addresses, users of URLs."""

import re

MASK = "…"
_WORDS = (
    r"passw(?:or)?d(?:[_-]?hash)?|passphrase|secret(?:[_-]?key(?:[_-]?base)?)?|token|api[_-]?key|access[_-]?key"
    r"|private[_-]?key|authorization|cookie"
    r"|session(?:[_-]?id)?|signature|credential"
)
# Short ones end other words too, and count only behind a separator.
_SHORT = r"pwd|pass|auth|sid|csrf|otp|pin|cvc|cvv|iban|ssn|sig"
_ASSIGNED = re.compile(
    rf"""(\b(?:[\w-]{{0,40}}(?:{_WORDS})|(?:[\w-]{{0,40}}[_-])?(?:{_SHORT}))s?\\?["']?"""
    r"""\s{0,3}(?:=>|[=:]|%3D)\s{0,3})"""
    # JSON within JSON has a backslash before each of its quotes.
    r"""("[^"]{0,2000}"?|'[^']{0,2000}'?|\\"[^"\\]{0,2000}(?:\\")?"""
    r"""|(?:bearer|basic|digest|token)\s+[^\s,;]+|[^\s,;&)}\]]+)""",
    re.IGNORECASE,
)
_FLAG = re.compile(rf"(--[\w-]{{0,40}}(?:{_WORDS})\s{{1,3}})[^\s-]\S*", re.IGNORECASE)
_SCHEME = re.compile(r"\b(Bearer|Basic|Digest|Token)\s+[A-Za-z0-9._~+/=:-]{6,}", re.IGNORECASE)
_USERINFO = re.compile(r"([A-Za-z][A-Za-z0-9+.-]{1,20}://)[^\s/]{1,300}(?:/[^\s@]{0,300})?@(?=[^\s/]+)")
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*){1,4}")
_KNOWN = re.compile(
    r"\b(?:sk|pk|rk)_(?:live|test)_[A-Za-z0-9]{8,}|\bgh[pousr]_[A-Za-z0-9]{20,}|\bgithub_pat_\w{20,}"
    r"|\bglpat-[\w-]{16,}|\bxox[abeprs]-[\w-]{8,}|\b(?:AKIA|ASIA)[A-Z0-9]{12,}|\bAIza[\w-]{30,}"
    r"|\bsk-[A-Za-z0-9_-]{16,}|\bSG\.[\w-]{10,}\.[\w-]{10,}|\bnpm_[A-Za-z0-9]{30,}|\bdop_v1_[a-f0-9]{40,}"
)
_PEM = re.compile(r"-----BEGIN [A-Z ]{3,40}-----.*?(?:-----END [A-Z ]{3,40}-----|\Z)", re.DOTALL)
_MAIL = re.compile(r"(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+")
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])", re.ASCII)
_LONG = re.compile(r"(?<![\w/+=-])(?=[\w/+=-]{0,200}\d)[A-Za-z0-9_/+=-]{32,}")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\d.])(?:\d{1,3}\.){3}\d{1,3}(?![\d.])", re.ASCII)
_IPV6 = re.compile(r"(?<![\w:])(?:[0-9a-f]{0,4}:){2,7}[0-9a-f]{0,4}(?![\w:])", re.IGNORECASE | re.ASCII)


def mask_secrets(text: str, *, addresses: bool = False) -> str:
    """Return `text` with every secret that can be told by its form, or by its name, replaced by `…`.

    Args:
        text: as it was logged; cut it before, the time grows with its length.
        addresses: mask IP addresses too.
    """
    text = _PEM.sub(MASK, text)
    text = _USERINFO.sub(rf"\1{MASK}@", text)
    text = _ASSIGNED.sub(_assigned, text)
    text = _FLAG.sub(rf"\1{MASK}", text)
    text = _SCHEME.sub(rf"\1 {MASK}", text)
    text = _JWT.sub(MASK, text)
    text = _KNOWN.sub(MASK, text)
    text = _MAIL.sub(MASK, text)
    text = _CARD.sub(_card, text)
    text = _LONG.sub(_long, text)
    if addresses:
        text = _IPV6.sub(MASK, _IPV4.sub(MASK, text))
    return text


def _assigned(found: re.Match[str]) -> str:
    value = found[2]
    quote = value[0] if value[0] in "\"'" else value[:2] if value.startswith('\\"') else ""
    return f"{found[1]}{quote}{MASK}{quote}"


def _card(found: re.Match[str]) -> str:
    digits = [int(character) for character in found[0] if character.isdigit()]
    doubled = [sum(divmod(2 * digit, 10)) for digit in digits[-2::-2]]
    is_card = (sum(digits[-1::-2]) + sum(doubled)) % 10 == 0
    return MASK if is_card else found[0]


def _long(found: re.Match[str]) -> str:
    """A path of a file is long too, and so is a request's id: no secret looks like them."""
    text = found[0]
    parts = text.split("/")
    if len(parts) > 2 and not any(
        part.isalnum() and not part.isalpha() and not part.isdigit() for part in parts
    ):
        return text
    return text if _UUID.fullmatch(text) else MASK
