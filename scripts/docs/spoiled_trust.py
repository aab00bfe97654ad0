"""Faults of the trust file, and of RFC 3161 timestamps.

Only the time of step 12 tells good timestamps and others apart.
"""

from __future__ import annotations

from base64 import b64encode
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec.structs import replace

from ledger.core.log import merkle
from ledger.core.log.notes import SeedSigner, SignatureType
from ledger.core.trust.trust_file import encode_trust
from ledger.core.verification.bundle import TreeStamp
from scripts.docs import example
from scripts.docs.example import CHAIN, COSIGNED_AT, REGISTERED
from scripts.docs.vector import (
    Edit,
    Fails,
    Patch,
    Vector,
    distrusted,
    ledger,
    plain,
    policy,
    put,
    quorum_of_none,
    untrusted,
    unverifiable,
    without,
)

ELSEWHERE = "0x" + "ab" * 32

# -- the trust file and timestamps -------------------------------------------------------------------------------------

ONE = example.WITNESS_LINES.splitlines()[0]
HIMSELF = SeedSigner.from_seed("himself.example", b"\x01" * 32, SignatureType.COSIGNATURE_V1)
OWN_LINE = f"witness w4 {HIMSELF.verifying_key.vkey()}\n"
NONE = policy(f"{example.WITNESS_LINES}quorum none\n")
OWN_LOG = example.LOG.verifying_key.vkey()
OTHER_LOG = SeedSigner.from_seed("x.example", b"9" * 32).verifying_key.vkey()
W1_AS_LOG = SeedSigner.from_seed("x.example", b"\x02" * 32).verifying_key.vkey()
TWO_THREE = "".join(example.WITNESS_LINES.splitlines(keepends=True)[1:]) + "quorum w3\n"
OWN_KEY = example.key_id(example.SERVICE_KEY)
SAME_NAME = SeedSigner.from_seed(example.LOG.verifying_key.name, b"\x0d" * 32).verifying_key.vkey()
SAME_KEY = SeedSigner.from_seed("x.example", b"\x01" * 32).verifying_key.vkey()
LONG_NAME = SeedSigner.from_seed("x" * 255, b"\x1f" * 32, SignatureType.COSIGNATURE_V1).verifying_key.vkey()
OWN_ID = f"+{example.WITNESS.verifying_key.key_id.hex()}+"
NBSP = "a\u00a0b"


def _named_log(name: str) -> tuple[Patch, ...]:
    key = SeedSigner.from_seed(name, b"\x01" * 32).verifying_key
    return (*put("/origin", name), *put("/log_key", key.vkey()))


def _unnamed(name: str) -> str:
    """Return a witness's key of a name that no key may have."""
    material = b"\4" + example.ML_DSA_WITNESS.verifying_key.public_key[:32]
    key_id = sha256(name.encode() + b"\n" + material).digest()[:4]
    return f"{name}+{key_id.hex()}+{b64encode(material).decode()}"


def _own_keys(*ends: tuple[str, int]) -> tuple[Patch, ...]:
    """Trust another key of the ledger itself, and these earlier ones up to an index."""
    earlier = [{"key_id": key_id, "until": until} for key_id, until in ends]
    return (*put("/service_key_id", "0x" + "77" * 20), *put("/earlier_service_keys", earlier))


LONG = "é" * 128


def _vkey(name: str, kind: int, public_key: bytes) -> str:
    """Return the text of a key, whether or not it may be one."""
    data = bytes([kind]) + public_key
    key_id = sha256(b"%b\n%b" % (name.encode(), data)).hexdigest()[:8]
    return f"{name}+{key_id}+{b64encode(data).decode()}"


# Found by trying: of 2^16 keys of a name two are likely to have one id.
ALIKE = "".join(f"witness {n} {_vkey('twice.example', 4, n.to_bytes(32, 'big'))}\n" for n in (16_435, 26_983))


def trust_file_vectors() -> list[Vector]:
    """Return faults of the trust file."""
    changes = {
        "no witness asked for by a production ledger": NONE,
        "the log's key as a witness's": policy(f"{example.WITNESS_LINES}{OWN_LINE}group g 2 w1 w4\nquorum g\n"),
        "a witness's key in two lines": policy(f"{ONE}\n{ONE.replace('w1', 'w2', 1)}\nquorum w1\n"),
        "one address as anchor and registry": put("/chains/0/anchor", CHAIN.registry),
        "the ledger's own key as a contract": put("/service_key_id", CHAIN.anchor),
        "one chain twice, with the same anchor": put("/chains/-", plain(CHAIN)),
        "a threshold that is no word of a policy": policy(
            f"{example.WITNESS_LINES}group g constructor w1 w2 w3\nquorum g\n"
        ),
        "a threshold of a name that objects inherit": policy(
            f"{example.WITNESS_LINES}group g __proto__ w1 w2 w3\nquorum g\n"
        ),
        "an origin of 256 bytes": (*put("/origin", LONG), *put("/log_key", _vkey(LONG, 1, bytes(32)))),
        "two keys of one name and key id": policy(f"{ALIKE}{example.POLICY}"),
        "a member of two groups": policy(f"{ONE}\ngroup a any w1\ngroup b any w1\nquorum a\n"),
        "a name used above its line": policy(f"quorum w1\n{ONE}\n"),
        "a carriage return in the policy": policy(f"{ONE}\r\nquorum w1\r\n"),
        "no quorum line": policy(f"{ONE}\n"),
        "a policy of another log": policy(
            f"log {SeedSigner.from_seed('x.example', b'9' * 32).verifying_key.vkey()}\n{ONE}\nquorum w1\n"
        ),
        "DEL in the policy": policy(f"# \x7f\n{example.POLICY}"),
        "a vertical tab in a comment of the policy": policy(f"# \x0b\n{example.POLICY}"),
        "U+001F in a comment of the policy": policy(f"# \x1f\n{example.POLICY}"),
        "a key whose id is another": policy(example.POLICY.replace(OWN_ID, f"+{int(OWN_ID[1:-1], 16) ^ 1:08x}+")),
        "a witness of the name none": policy(
            f"{ONE.replace('w1', 'none', 1)}\n{example.POLICY}".replace(f"{ONE}\n", "")
        ),
        "a member that no line defines": policy(f"{example.WITNESS_LINES}group g 1 w1 w4\nquorum g\n"),
        "words of the policy that a no-break space parts": policy(example.POLICY.replace("quorum ", "quorum\u00a0")),
        "an origin of 201 characters": _named_log("x" * 201),
        "an origin with DEL": _named_log("x\x7f"),
        "a control character in a comment of the policy": policy(f"# \x01\n{example.POLICY}"),
        "a word behind a witness's URL": policy(f"{ONE} https://w1.example/ x\nquorum w1\n"),
        "a word behind a log's URL": policy(f"log {OWN_LOG} https://log.example/ x\n{example.POLICY}"),
        "a word behind the quorum": policy(f"{example.POLICY.rstrip()} x\n"),
        "a group without members": policy(f"{example.WITNESS_LINES}group g any\nquorum w1\n"),
        "a threshold of 0": policy(f"{example.WITNESS_LINES}group g 0 w1\nquorum g\n"),
        "a threshold with a zero before": policy(f"{example.WITNESS_LINES}group g 02 w1 w2 w3\nquorum g\n"),
        "a threshold with a letter behind": policy(f"{example.WITNESS_LINES}group g 2x w1 w2 w3\nquorum g\n"),
        "a log's line by the log's name and another key": policy(f"log {SAME_NAME}\n{example.POLICY}"),
        "a log's line by another name and the log's key": policy(f"log {SAME_KEY}\n{example.POLICY}"),
        "a witness's key without a name": policy(f"witness w4 {_unnamed('')}\n{example.POLICY}"),
        "a witness's key whose name has a no-break space": policy(f"witness w4 {_unnamed(NBSP)}\n{example.POLICY}"),
        "a threshold above the members": policy(f"{example.WITNESS_LINES}group g 4 w1 w2 w3\nquorum g\n"),
        "a member twice in one group": policy(f"{example.WITNESS_LINES}group g 2 w1 w1\nquorum g\n"),
        "two quorum lines": policy(f"{example.POLICY}quorum two\n"),
        "a quorum of a name that nobody defined": policy(f"{ONE}\nquorum w9\n"),
        "a witness and a group of one name": policy(f"{example.WITNESS_LINES}group w1 any w2\nquorum w2\n"),
        "a witness by the name none": policy(f"{ONE.replace('w1', 'none', 1)}\nquorum none\n"),
        "a line of another kind": policy(f"{example.POLICY}mirror w1\n"),
        "a witness's line without a key": policy(f"witness w9\n{example.POLICY}"),
        "a log's type of key as a witness's": policy(f"witness w4 {OTHER_LOG}\n{example.POLICY}"),
        "a witness's type of key as a log's": policy(f"log {OWN_LOG}\nlog {ONE.split()[2]}\n{TWO_THREE}"),
        "one key in a log's line and in a witness's": policy(f"log {OWN_LOG}\nlog {W1_AS_LOG}\n{example.POLICY}"),
        "one key in two lines of logs": policy(f"log {OWN_LOG}\nlog {OWN_LOG}\n{example.POLICY}"),
        "another origin": put("/origin", "another.example"),
        "two keys of the ledger until one index": _own_keys((ELSEWHERE[:42], 2), (OWN_KEY, 2)),
        "earlier keys of the ledger out of order": _own_keys((ELSEWHERE[:42], 3), (OWN_KEY, 2)),
        "an earlier key of the ledger that is its key": put("/earlier_service_keys", [{"key_id": OWN_KEY, "until": 2}]),
        "an earlier key of the ledger as a contract": put(
            "/earlier_service_keys", [{"key_id": CHAIN.anchor, "until": 2}]
        ),
        "no chains": without("/chains"),
        "development as a number": put("/development", 1),
    }
    return [
        *(distrusted(name, trust=change) for name, change in changes.items()),
        distrusted("an empty list of trusted blocks", trust=put("/chains/0/trusted_blocks", [])),
        Vector(
            "a comment, tabs and blanks",
            trust=policy("# whom we trust\n\n  " + example.WITNESS_LINES + "group two\t2 w1  w2 w3\nquorum\ttwo\n"),
        ),
        quorum_of_none("no witness asked for by a development ledger", trust=(*NONE, *put("/development", True))),
        Vector("a witness's name of 255 bytes", trust=policy(f"witness w4 {LONG_NAME}\n{example.POLICY}")),
        Vector("URLs in the policy", trust=policy(f"log {OWN_LOG} x\n{ONE} https://w1.example/\nquorum w1\n")),
        Vector("a policy whose last line has no end", trust=policy(example.POLICY.rstrip())),
        Vector(
            "a line of blanks in the policy, and a comment behind a blank", trust=policy(f" \t\n #x\n{example.POLICY}")
        ),
        Vector("groups within a group", trust=policy(f"{example.WITNESS_LINES}{GROUPS}quorum g\n")),
        unverifiable(
            "a group within a group that is not met",
            trust=policy(f"{example.WITNESS_LINES}{GROUPS.replace('group g any', 'group g all')}quorum g\n"),
            unchecked=(3, 4, 5, 11, 12),
        ),
        *_of_chains(),
        *_of_own_keys(),
        *_limits(),
    ]


def _edited(more: str, times: int, behind: str) -> tuple[Edit]:
    """Put so many times the same behind a text of trust.json."""
    place = encode_trust(example.trust()).index(behind.encode()) + len(behind.encode())
    return ({"at": place, "cut": 0, "put": more, "times": times},)


def _blocks(count: int) -> tuple[Edit, ...]:
    """Name so many blocks of the chain in trust.json, all of them one."""
    block, behind = f'{{"hash":"{ELSEWHERE}","number":1}}', f'"registry_code_hash":"{CHAIN.registry_code_hash}"'
    (first,), (inner,) = (
        _edited(f',"trusted_blocks":[{block}', 1, behind),
        _edited(f",{block}", count - 1, f"{behind}}}"),
    )
    return (
        first | {"cut": 1},
        inner | {"cut": 1},
        {"at": inner["at"] + 1, "cut": 0, "put": "]}]", "times": 1},
    )


def _limits() -> list[Vector]:
    """Return lists and texts of the trust file that are as long as they may be, or longer by one."""
    lines = 262_144 - len(example.POLICY)
    keys = [SeedSigner.from_seed(example.LOG.verifying_key.name, b"\x20" * 31 + bytes([n])) for n in range(17)]
    earlier = [{"key": signer.verifying_key.vkey(), "until": 1} for signer in keys]
    own = [{"key_id": f"0x{n:040x}", "until": n} for n in range(1, 18)]
    as_many = {
        "suites": put("/suites", [*range(1, 17)]),
        "earlier keys of the log": put("/earlier_log_keys", earlier[:16]),
        "earlier keys of the ledger": _own_keys((OWN_KEY, 20), *((f"0x{n:040x}", n) for n in range(21, 36))),
    }
    too_many = {
        "suites": put("/suites", [*range(1, 18)]),
        "earlier keys of the log": put("/earlier_log_keys", earlier),
        "earlier keys of the ledger": put("/earlier_service_keys", own),
    }
    chains = [plain(replace(CHAIN, chain_id=n)) for n in (CHAIN.chain_id, *range(1, 65))]
    as_many |= {"chains": put("/chains", chains[:64]), "roots": put("/timestamp_roots", ["AAAA"] * 16)}
    too_many |= {"chains": put("/chains", chains), "roots": put("/timestamp_roots", ["AAAA"] * 17)}
    misshapen = {
        "/timestamp_roots": ([""], ["AAA"], ["A A="], [7], []),
        "/chains/0/chain_id": (-1, 2**53),
        "/chains/0/deployment_block_number": (-1,),
        "/chains/0/deployment_block_hash": ("0x" + "b0" * 31,),
        "/chains/0/registry": ("0x" + "e1" * 19,),
        "/chains/0/anchor_code_hash": ("0x" + "d2" * 33,),
        "/chains/0/registry_code_hash": ("0x" + "D1" * 32,),
        "/chains/0/trusted_blocks": ([{"number": -1, "hash": ELSEWHERE}], [{"number": 1, "hash": "0x"}]),
        "/suites": ([0], ["1"]),
        "/log_id": ("0x",),
        "/format": ("tallystick/trust@v2",),
        "/service_key_id": ("0x" + "77" * 19,),
        "/earlier_log_keys": ([earlier[0] | {"until": -1}], [earlier[0] | {"remark": 1}], []),
        "/earlier_service_keys": (
            [own[0] | {"until": -1}],
            [own[0] | {"remark": 1}],
            [],
            [own[0] | {"key_id": "0x00"}],
        ),
    }
    return [
        *(Vector(f"as many {name} as may be", trust=change) for name, change in as_many.items()),
        *(distrusted(f"more {name} than may be", trust=change) for name, change in too_many.items()),
        Vector("as many trusted blocks as may be", trust_edits=_blocks(1024)),
        distrusted("more trusted blocks than may be", trust_edits=_blocks(1025)),
        Vector("a policy as long as one may be", trust_edits=_edited("\\n", lines, '"witness_policy":"')),
        distrusted("a policy longer than one may be", trust_edits=_edited("\\n", lines + 1, '"witness_policy":"')),
        *(
            distrusted(f"a value of another form in the trust file: {path} {number}", trust=put(path, value))
            for path, values in misshapen.items()
            for number, value in enumerate(values, 1)
        ),
    ]


GROUPS = "group a all w1 w3\ngroup b any w2\ngroup g any a b\n"


def _of_chains() -> list[Vector]:
    return [
        Vector("one chain twice, with other contracts", trust=put("/chains/0", plain(OTHER_CONTRACTS))),
        Vector("two chains with the same anchor", trust=put("/chains/0", plain(replace(CHAIN, chain_id=1)))),
        *(
            untrusted(f"another {field} of the chain", trust=put(f"/chains/0/{field}", value))
            for field, value in {"chain_id": 1, "deployment_block_number": 7}.items()
        ),
        *(
            Vector(f"a finality of {finality}", trust=put("/chains/0/finality", finality))
            for finality in (0, 10_000, "safe")
        ),
        *(
            distrusted(f"a finality of {finality}", trust=put("/chains/0/finality", finality))
            for finality in (-1, 10_001, "latest")
        ),
    ]


OTHER_CONTRACTS = replace(CHAIN, registry="0x" + "e3" * 20, anchor="0x" + "e4" * 20)


def _of_own_keys() -> list[Vector]:
    """Return entries by a key of the ledger that another one has replaced: the mirror has them at 0 and 1."""
    mirror, foreign_key = partial(Vector, unchecked=(11,), of="mirror"), ELSEWHERE[:42]
    no_grant = partial(unverifiable, unchecked=(10, 11))
    return [
        mirror("an earlier key of the ledger, until the index after", trust=_own_keys((OWN_KEY, 2))),
        Fails.authority("an earlier key of the ledger, until this index", of="mirror", trust=_own_keys((OWN_KEY, 1))),
        mirror("an earlier key of the ledger, behind another one", trust=_own_keys((foreign_key, 1), (OWN_KEY, 2))),
        Fails.authority(
            "an earlier key of the ledger, behind another one that still counted",
            of="mirror",
            trust=_own_keys((foreign_key, 2), (OWN_KEY, 3)),
        ),
        Vector("a grant by an earlier key of the ledger, until the index after", trust=_own_keys((OWN_KEY, 2))),
        no_grant("a grant by an earlier key of the ledger, until its index", trust=_own_keys((OWN_KEY, 1))),
    ]


SEQUENCE, SET, INTEGER, OCTETS, OID, TIME = 0x30, 0x31, 0x02, 0x04, 0x06, 0x18
SIGNED_DATA = bytes.fromhex("2a864886f70d010702")
TST_INFO = bytes.fromhex("2a864886f70d0109100104")
CONTENT_TYPE = bytes.fromhex("2a864886f70d010903")
MESSAGE_DIGEST = bytes.fromhex("2a864886f70d010904")
SIGNING_CERTIFICATE = bytes.fromhex("2a864886f70d010910022f")
SHA256 = bytes.fromhex("608648016503040201")
ECDSA_SHA256 = bytes.fromhex("2a8648ce3d040302")
POLICY = bytes.fromhex("2a030401")  # 1.2.3.4.1
FROM, UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2035, 1, 1, tzinfo=UTC)


def der(tag: int, *parts: bytes) -> bytes:
    """Return one value in DER."""
    content = b"".join(parts)
    size = len(content)
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    length = bytes([size]) if size < 128 else bytes([128 + len(octets)]) + octets
    return bytes([tag]) + length + content


def integer(value: int) -> bytes:
    return der(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


ALGORITHM = der(SEQUENCE, der(OID, SHA256))


class Authority:
    """An authority whose root is called ``name`` Root."""

    def __init__(self, name: str, seed: int) -> None:
        keys = [ec.derive_private_key(seed + step, ec.SECP256R1()) for step in range(3)]
        names = [f"{name} Root", f"{name} Intermediate", f"{name} Timestamping"]
        issuers = [0, 0, 1]
        self.key = keys[2]
        self.root, *self.brought = (
            _certificate(names[at], keys[at], names[issuer], keys[issuer], at) for at, issuer in enumerate(issuers)
        )

    def stamp(self, text: str, time: int, *, in_order: bool = True) -> bytes:
        """Return the TimeStampResp of a text at a time, its certificates in DER's order of a SET or not."""
        at = datetime.fromtimestamp(time, UTC).strftime("%Y%m%d%H%M%SZ").encode()
        imprint = der(SEQUENCE, ALGORITHM, der(OCTETS, sha256(text.encode()).digest()))
        accuracy = der(SEQUENCE, integer(1))
        token = der(SEQUENCE, integer(1), der(OID, POLICY), imprint, integer(7), der(TIME, at), accuracy)
        certificates = sorted(
            (certificate.public_bytes(Encoding.DER) for certificate in self.brought), reverse=not in_order
        )
        signer = self.brought[-1]
        issuer = der(SEQUENCE, signer.issuer.public_bytes(), integer(signer.serial_number))
        signing_certificate = der(
            SEQUENCE, der(SEQUENCE, der(SEQUENCE, der(OCTETS, signer.fingerprint(hashes.SHA256()))))
        )
        attributes = b"".join(
            sorted(
                der(SEQUENCE, der(OID, kind), der(SET, value))
                for kind, value in (
                    (CONTENT_TYPE, der(OID, TST_INFO)),
                    (MESSAGE_DIGEST, der(OCTETS, sha256(token).digest())),
                    (SIGNING_CERTIFICATE, signing_certificate),
                )
            )
        )
        signature = self.key.sign(der(SET, attributes), ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
        signed_by = der(
            SEQUENCE,
            integer(1),
            issuer,
            ALGORITHM,
            der(0xA0, attributes),
            der(SEQUENCE, der(OID, ECDSA_SHA256)),
            der(OCTETS, signature),
        )
        content = der(SEQUENCE, der(OID, TST_INFO), der(0xA0, der(OCTETS, token)))
        signed = der(SEQUENCE, integer(3), der(SET, ALGORITHM), content, der(0xA0, *certificates), der(SET, signed_by))
        status = der(SEQUENCE, integer(0))
        return der(SEQUENCE, status, der(SEQUENCE, der(OID, SIGNED_DATA), der(0xA0, signed)))


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, issuer: str, issuer_key: ec.EllipticCurvePrivateKey, depth: int
) -> x509.Certificate:
    is_signer = depth == 2
    subject, by = (x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)]) for common_name in (name, issuer))
    # In the order of RFC 5280, 4.2.1.3: digitalSignature is bit 0, keyCertSign bit 5.
    usage = x509.KeyUsage(*(bit == (0 if is_signer else 5) for bit in range(9)))
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(by)
        .public_key(key.public_key())
        .serial_number(depth + 1)
        .not_valid_before(FROM)
        .not_valid_after(UNTIL)
        .add_extension(x509.BasicConstraints(ca=not is_signer, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
    )
    if is_signer:
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]), critical=True)
    return builder.sign(issuer_key, hashes.SHA256(), ecdsa_deterministic=True)


TRUSTED, STRANGER = Authority("Example", 1000), Authority("Stranger", 2000)
STAMPED_AT = example.SIGNED_AT + 10
BY_STAMP = STAMPED_AT + 2  # the second after, and one of accuracy
BY_QUORUM = COSIGNED_AT + 6


def timestamp_vectors() -> list[Vector]:
    text, checkpoint = ledger().checkpoint.text(), ledger().checkpoint
    root, foreign = (authority.root.public_bytes(Encoding.DER) for authority in (TRUSTED, STRANGER))
    good = TRUSTED.stamp(text, STAMPED_AT)
    longer = example.Ledger([*ledger().entries, *ledger().entries[-1:]])
    smaller = example.Ledger(ledger().entries[: REGISTERED + 1])
    before = example.Ledger(ledger().entries[:REGISTERED])

    def stamped(response: bytes, of: example.Ledger) -> tuple[Patch]:
        """Put the timestamp of a tree that the example's log had."""
        size = of.checkpoint.size
        path = merkle.consistency_proof(size, checkpoint.size, _nodes) if size < checkpoint.size else ()
        root, consistency = of.checkpoint.root, tuple(path)
        response_text = b64encode(response).decode()
        return put(
            "/timestamps", [plain(TreeStamp(size=size, root=root, consistency=consistency, response=response_text))]
        )

    def vector(name: str, file: tuple[Patch, ...], time: int = BY_QUORUM, roots: tuple[bytes, ...] = (root,)) -> Vector:
        trusted = [b64encode(each).decode() for each in roots]
        return Vector(f"timestamp: {name}", file, trust=put("/timestamp_roots", trusted), time=time)

    def alone(name: str, file: tuple[Patch, ...], time: int = 0) -> Vector:
        """Have no witness asked for and no anchor: nothing else proves a time."""
        roots = put("/timestamp_roots", [b64encode(root).decode()])
        trust = (*NONE, *put("/development", True), *roots)
        unchecked = (3, 4, 5, 11) if time else (3, 4, 5, 11, 12)
        changed = (*file, *without("/anchor"))
        return Vector(f"timestamp: {name}", changed, "not_yet_anchored", unchecked=unchecked, trust=trust, time=time)

    spoiled = good[:-1] + bytes([good[-1] ^ 1])
    return [
        vector("of a known authority", stamped(good, ledger()), BY_STAMP),
        vector(
            "its certificates in another order",
            stamped(TRUSTED.stamp(text, STAMPED_AT, in_order=False), ledger()),
            BY_STAMP,
        ),
        vector("of a smaller tree", stamped(TRUSTED.stamp(smaller.checkpoint.text(), STAMPED_AT), smaller), BY_STAMP),
        vector("of a tree without the entry", stamped(TRUSTED.stamp(before.checkpoint.text(), STAMPED_AT), before)),
        vector("later than the quorum", stamped(TRUSTED.stamp(text, COSIGNED_AT + 60), ledger())),
        vector(
            "earlier than the entry was signed, which is told",
            stamped(TRUSTED.stamp(text, example.SIGNED_AT - 400), ledger()),
            example.SIGNED_AT - 398,
        ),
        vector(
            "of an authority that the trust file does not name", stamped(STRANGER.stamp(text, STAMPED_AT), ledger())
        ),
        vector("of a root that signs something else", stamped(good, ledger()), roots=(foreign,)),
        vector("of a root that is no certificate", stamped(good, ledger()), roots=(b"abc",)),
        vector("beside a root that is no certificate", stamped(good, ledger()), BY_STAMP, (b"abc", root)),
        vector("a signature that does not hold", stamped(spoiled, ledger())),
        vector("of another text", stamped(TRUSTED.stamp(longer.checkpoint.text(), STAMPED_AT), ledger())),
        vector("of a larger tree", stamped(TRUSTED.stamp(longer.checkpoint.text(), STAMPED_AT), longer)),
        vector("of nothing", stamped(b"", ledger())),
        alone("alone", stamped(good, ledger()), BY_STAMP),
        alone(
            "alone, of a smaller tree", stamped(TRUSTED.stamp(smaller.checkpoint.text(), STAMPED_AT), smaller), BY_STAMP
        ),
        alone(
            "alone, of a tree without the entry", stamped(TRUSTED.stamp(before.checkpoint.text(), STAMPED_AT), before)
        ),
        alone("alone, of another authority", stamped(STRANGER.stamp(text, STAMPED_AT), ledger())),
        Vector("timestamp: where no root is trusted", stamped(good, ledger()), time=BY_QUORUM),
    ]


def _nodes(level: int, index: int) -> merkle.Hash:
    """Return a complete node of the example's tree."""
    leaves = [merkle.leaf_hash(entry.data) for entry in ledger().entries]
    return merkle.root_of(leaves[index << level : (index + 1) << level])
