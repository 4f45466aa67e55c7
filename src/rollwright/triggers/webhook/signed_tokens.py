"""Tokens that an issuer signed for a sender: who, for whom, until when (OpenID Connect).

Before: ``keys`` has the issuer's public keys. After: the delivery that brought one is genuine.

Only asymmetric signatures are known here: a token that names another kind, or none, is forged.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from binascii import Error as Base64Error
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from typing import Any

import orjson

from rollwright.errors import Forged

LEEWAY = timedelta(seconds=60)
"""How far clocks may be apart."""
_LONGEST = 16_384
_SMALLEST_RSA = 2048
_HASHES = {"256": "SHA256", "384": "SHA384", "512": "SHA512"}
_CURVES = {"ES256": "P-256", "ES384": "P-384"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a token has to say."""

    issuer: str
    audience: str
    subjects: tuple[str, ...] = ()
    email: str = ""
    max_age: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A token taken apart; nothing of it is believed yet."""

    header: Mapping[str, Any]
    claims: Mapping[str, Any]
    signed: bytes
    signature: bytes

    @property
    def key_id(self) -> str:
        """Which of the issuer's keys it names."""
        return str(self.header.get("kid", ""))


def bearer(header: str) -> Parts:
    """Take the token of an ``Authorization`` header apart.

    Raises:
        Forged: There is none, or it has another form.
    """
    scheme, _, text = header.partition(" ")
    pieces = text.strip().split(".")
    if scheme.lower() != "bearer" or len(pieces) != 3 or len(text) > _LONGEST:
        raise Forged("there is no signed token")
    try:
        head, claims = (orjson.loads(_decoded(one)) for one in pieces[:2])
        signature = _decoded(pieces[2])
    except (Base64Error, ValueError):
        raise Forged("the token cannot be read") from None
    if not isinstance(head, dict) or not isinstance(claims, dict):
        raise Forged("the token cannot be read")
    signed = f"{pieces[0]}.{pieces[1]}".encode("ascii", "replace")
    return Parts(header=head, claims=claims, signed=signed, signature=signature)


def check(parts: Parts, keys: Iterable[Mapping[str, Any]], wanted: Wanted, now: datetime) -> None:
    """Check a token.

    Raises:
        Forged: No key of the issuer signed it, or it is for something else.
    """
    if not any(_has_signed(key, parts) for key in keys):
        raise Forged("no key of the issuer signed the token")
    if problem := _problem_of(parts.claims, wanted, now):
        raise Forged(f"the token {problem}")


def _problem_of(claims: Mapping[str, Any], wanted: Wanted, now: datetime) -> str:
    audience = claims.get("aud")
    if claims.get("iss") != wanted.issuer:
        return "is of another issuer"
    if wanted.audience not in (audience if isinstance(audience, list) else [audience]):
        return "is for another audience"
    return _problem_of_who(claims, wanted) or _problem_of_when(claims, wanted, now)


def _problem_of_who(claims: Mapping[str, Any], wanted: Wanted) -> str:
    subject = claims.get("sub")
    if wanted.subjects and not (
        isinstance(subject, str) and any(fnmatchcase(subject, one) for one in wanted.subjects)
    ):
        return "is of another subject"
    is_verified = claims.get("email_verified") in (True, "true")
    if wanted.email and not (is_verified and claims.get("email") == wanted.email):
        return "is of another account"
    return ""


def _problem_of_when(claims: Mapping[str, Any], wanted: Wanted, now: datetime) -> str:
    ends, begins, made = (_instant(claims.get(name)) for name in ("exp", "nbf", "iat"))
    if ends is None or now > ends + LEEWAY:
        return "has expired" if ends else "never expires"
    if begins is not None and now < begins - LEEWAY:
        return "is not valid yet"
    if wanted.max_age is not None and (made is None or now > made + wanted.max_age + LEEWAY):
        return "is too old"
    return ""


def _instant(value: Any) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return datetime.fromtimestamp(value, UTC)
    except (OverflowError, OSError, ValueError):
        return None


def _has_signed(key: Mapping[str, Any], parts: Parts) -> bool:
    from cryptography.exceptions import (  # noqa: PLC0415  (only signed tokens need it)
        InvalidSignature,
        UnsupportedAlgorithm,
    )

    algorithm = parts.header.get("alg")
    is_named = key.get("kid", "") == parts.key_id or not parts.key_id
    is_meant = key.get("alg", algorithm) == algorithm and key.get("use", "sig") == "sig"
    if not (isinstance(algorithm, str) and is_named and is_meant) or "crit" in parts.header:
        return False
    try:
        return _verify(key, algorithm, parts)
    except (
        InvalidSignature,
        UnsupportedAlgorithm,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
    ):
        return False


def _verify(key: Mapping[str, Any], algorithm: str, parts: Parts) -> bool:
    """Verify with one key; what does not fit together raises."""
    family, kind = algorithm[:2], key.get("kty")
    if family in {"RS", "PS"} and kind == "RSA":
        _verify_rsa(key, algorithm, parts)
    elif algorithm in _CURVES and kind == "EC" and key.get("crv") == _CURVES[algorithm]:
        _verify_ec(key, algorithm, parts)
    elif algorithm == "EdDSA" and kind == "OKP" and key.get("crv") == "Ed25519":
        from cryptography.hazmat.primitives.asymmetric import ed25519  # noqa: PLC0415  (as above)

        public = ed25519.Ed25519PublicKey.from_public_bytes(_decoded(key["x"]))
        public.verify(parts.signature, parts.signed)
    else:
        return False
    return True


def _verify_rsa(key: Mapping[str, Any], algorithm: str, parts: Parts) -> None:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  (as above)
    from cryptography.hazmat.primitives.asymmetric import padding, rsa  # noqa: PLC0415  (as above)

    hashed = getattr(hashes, _HASHES[algorithm[2:]])()
    public = rsa.RSAPublicNumbers(_number(key["e"]), _number(key["n"])).public_key()
    if public.key_size < _SMALLEST_RSA:
        raise ValueError("the key is too short")
    padded: Any = padding.PKCS1v15()
    if algorithm.startswith("PS"):
        padded = padding.PSS(mgf=padding.MGF1(hashed), salt_length=hashed.digest_size)
    public.verify(parts.signature, parts.signed, padded, hashed)


def _verify_ec(key: Mapping[str, Any], algorithm: str, parts: Parts) -> None:
    from cryptography.hazmat.primitives import hashes  # noqa: PLC0415  (as above)
    from cryptography.hazmat.primitives.asymmetric import ec, utils  # noqa: PLC0415  (as above)

    curve = {"P-256": ec.SECP256R1, "P-384": ec.SECP384R1}[key["crv"]]()
    half = curve.key_size // 8
    if len(parts.signature) != 2 * half:
        raise ValueError("the signature has another length")
    whole = utils.encode_dss_signature(
        int.from_bytes(parts.signature[:half]), int.from_bytes(parts.signature[half:])
    )
    public = ec.EllipticCurvePublicNumbers(_number(key["x"]), _number(key["y"]), curve).public_key()
    public.verify(whole, parts.signed, ec.ECDSA(getattr(hashes, _HASHES[algorithm[2:]])()))


def _number(text: str) -> int:
    return int.from_bytes(_decoded(text))


def _decoded(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
