"""Opening a keystore of version 3 (Ethereum's Web3 Secret Storage), by whichever wallet or node it was written.

eth-account opens them as well, but takes longer to import than the command that signs takes to run: with it come the
pairings of BLS keys, which this version does not have.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from ledger.core.signature import keccak256

CIPHER = "aes-128-ctr"
SCRYPT_MEMORY = 2**31 - 1  # bytes; the usual N = 262,144 takes 256 MiB


def decrypt(keystore: Mapping[str, Any], passphrase: str) -> bytes:
    """The private key.

    Raises ValueError for a wrong passphrase or another way of encrypting, KeyError, TypeError, AttributeError or
    OverflowError where a part is not there or is something else.
    """
    crypto = _in_lower_case(keystore)["crypto"]
    if crypto["cipher"] != CIPHER:
        raise ValueError(f"expected the cipher {CIPHER}, not {crypto['cipher']}")
    key, ciphertext = _stretched(crypto, passphrase.encode()), _bytes(crypto["ciphertext"])
    if not hmac.compare_digest(keccak256(key[16:32] + ciphertext), _bytes(crypto["mac"])):
        raise ValueError("wrong passphrase, or damaged")
    start = _bytes(crypto["cipherparams"]["iv"]).rjust(16, b"\0")  # a number: leading zeros may be left out
    return Cipher(AES(key[:16]), CTR(start)).decryptor().update(ciphertext)


def _stretched(crypto: Mapping[str, Any], passphrase: bytes) -> bytes:
    """32 bytes: the first half decrypts, the second one authenticates."""
    given = crypto["kdfparams"]
    salt = _bytes(given["salt"])
    match crypto["kdf"], given.get("prf"):
        case "scrypt", _:
            n, r, p = given["n"], given["r"], given["p"]
            return hashlib.scrypt(passphrase, salt=salt, n=n, r=r, p=p, maxmem=SCRYPT_MEMORY, dklen=given["dklen"])
        case "pbkdf2", "hmac-sha256":
            return hashlib.pbkdf2_hmac("sha256", passphrase, salt, given["c"], given["dklen"])
        case kdf, function:
            raise ValueError(f"expected scrypt, or pbkdf2 with hmac-sha256, not {kdf} with {function}")


def _in_lower_case(value: Any) -> Any:
    """With its keys in lower case: some wallets write ``Crypto``."""
    if not isinstance(value, dict):
        return value
    return {key.lower(): _in_lower_case(inner) for key, inner in value.items()}


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("0x"))
