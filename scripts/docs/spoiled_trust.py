"""Faults of what a bundle rests on: the anchor and its block (steps 4, 5 and 11), the trust file, RFC 3161 timestamps.

Only the time of step 12 tells good timestamps and others apart.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any

import rlp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from msgspec.structs import replace

from ledger.core.encoding.digests import keccak256
from ledger.core.log import merkle
from ledger.core.log.checkpoints import cosign_statement
from ledger.core.log.notes import SeedSigner, SignatureType, SignedNote, parse_note
from ledger.core.verification.bundle import TreeStamp, encode_hash
from ledger.core.verification.contract_storage import anchor_slots, grant_slots
from ledger.core.verification.trust import TrustedBlock
from scripts.docs import example
from scripts.docs.chain_states import State, branch, deep, extension, hashed, hexed, leaf, other, quantity, storage_trie
from scripts.docs.example import ANCHORED_AT, CHAIN, COSIGNED_AT, REGISTERED
from scripts.docs.vector import (
    Fails,
    Patch,
    Vector,
    distrusted,
    failing,
    ledger,
    on_page,
    plain,
    policy,
    put,
    quorum_of_none,
    refused,
    spoiled_line,
    untrusted,
    unverifiable,
    without,
)

OFFICER = example.key_id(example.OFFICER_KEY)
KEY_SLOTS = grant_slots(OFFICER)  # agency, officer, terms
ELSEWHERE = "0x" + "ab" * 32


def anchor_vectors() -> list[Vector]:
    """Return faults of the anchor: who vouches for its block, what its state proves, and the key in it."""
    of_anchor = on_page("anchor", [*_block(), *_notes(), *_record()])
    return [*of_anchor, *on_page("registry", _grant()), *on_page("anchor", _tries())]


def _anchor(state: State | None = None, signer: str = OFFICER, **changes: Any) -> tuple[Patch]:
    """Another anchor: of another state, which its witnesses vouch for, or with other parts."""
    return put("/anchor", plain(ledger().anchor(signer, state=state, **changes)))


def _named(state: State, **changes: Any) -> tuple[Patch]:
    """Let the trust file name the block of a state."""
    block = replace(state.block(), **changes)
    return put("/chains/0/trusted_blocks", [{"number": block.number, "hash": block.hash}])


def _state(change: Callable[[State], Any] = bool, **terms: Any) -> State:
    """Return a state of the ledger's contracts that hold something else."""
    state = ledger().state_with(**terms)
    change(state)
    return state


def _block() -> list[Vector]:
    true = ledger().state_with()
    claim = {"size": 12, "root": "0x" + ledger().checkpoint.root.hex(), "contract": CHAIN.anchor, "number": 1}
    forged = _state(lambda state: state.record(1, bytes(32), 12, 9, 1))
    no_note = without("/anchor/block_note")
    return [
        refused("A: an anchor that is claimed", (*without("/anchor"), *put("/anchors", [claim]))),
        untrusted("A: a state in a block that nobody vouches for", no_note),
        untrusted(
            "B: header and tries built by whoever holds the bundle",
            _anchor(forged, block_note=ledger().anchor(OFFICER).block_note),
        ),
        Vector("block named by the trust file", no_note, trust=_named(true)),
        Vector(
            "block named by the trust file, with a note that does not count",
            put("/anchor/block_note", "x"),
            trust=_named(true),
        ),
        Fails.block("another hash of the block in the trust file", trust=_named(true, hash=ELSEWHERE)),
        untrusted("another block in the trust file", no_note, trust=_named(true, number=12)),
        untrusted("a contract that the trust file does not name", put("/anchor/contract", "0x" + "e3" * 20)),
        untrusted("another chain", put("/anchor/chain/deployment_block_hash", ELSEWHERE)),
        untrusted("no chain in the trust file", trust=put("/chains", [])),
        refused("record 0", put("/anchor/number", 0)),
        refused("an anchor in upper case", put("/anchor/contract", "0x" + "E2" * 20)),
        Fails.block("a header that is none", put("/anchor/header", "0xc0")),
        Fails.block("a byte behind the header", put("/anchor/header", hexed(true.header()) + "00")),
        Fails.block("a header as long as one may be, that is none", put("/anchor/header", "0x" + "c0" * 16384)),
        refused("a header longer than one may be", put("/anchor/header", "0x" + "c0" * 16385)),
        refused("a header of half a byte", put("/anchor/header", "0xc00")),
        Vector("header of a block after the Merge alone", _anchor(_state(fields=15))),
        Vector("header of a block after Prague", _anchor(_state(fields=21))),
        unverifiable("no node of the state", put("/anchor/state", []), unchecked=(5, 11)),
        Vector("a node of the state that is not needed", put("/anchor/state/-", "0x80")),
        Vector("a node of the state as long as one may be", put("/anchor/state/-", "0x" + "80" * 1024)),
        refused("a node of the state longer than one may be", put("/anchor/state/-", "0x" + "80" * 1025)),
    ]


def _notes() -> list[Vector]:
    """Return notes that do not count: none of them fails a step."""
    header = hexed(ledger().state_with().header())
    noted = example.vouched(header)

    not_counting = {
        "below the quorum": example.vouched(header, example.WITNESSES[:1]),
        "of contracts with other code": example.vouched(header, contracts=replace(CHAIN, anchor_code_hash=ELSEWHERE)),
        "of another registry": example.vouched(header, contracts=replace(CHAIN, registry="0x" + "e3" * 20)),
        "of another chain": example.vouched(header, contracts=replace(CHAIN, chain_id=1)),
        "of another block": example.vouched(header, block=TrustedBlock(11, ELSEWHERE)),
        "of another ledger": example.vouched(header, log_id=bytes(32)),
        "with a line that does not hold": spoiled_line(example.vouched(header, example.WITNESSES), 0),
        "with a line twice": noted + noted.splitlines(keepends=True)[-1],
        "with a line of text more": noted.replace("\n\n", "\nmore\n\n", 1),
        "that is the checkpoint's": ledger().note,
        "that is empty": "",
    }
    longer = parse_note(noted).text + "\n"
    lines = (
        cosign_statement(longer, witness, example.VOUCHED_AT)
        for witness in (example.WITNESSES[0], example.WITNESSES[2])
    )
    return [
        *(untrusted(f"block note {name}", put("/anchor/block_note", text)) for name, text in not_counting.items()),
        Vector("block note of all witnesses", put("/anchor/block_note", example.vouched(header, example.WITNESSES))),
        quorum_of_none(
            "block note where the policy asks for no witness",
            trust=(*policy(f"{example.WITNESS_LINES}quorum none\n"), *put("/development", True)),
        ),
        refused("a block note that is no text", put("/anchor/block_note", 7)),
        untrusted(
            "block note with an empty line more, well signed",
            put("/anchor/block_note", str(SignedNote(longer, tuple(lines)))),
        ),
    ]


def _slot(number: int, value: Callable[[int], int]) -> State:
    """Give a slot of LogAnchor another word, by its place among those of record 1."""
    key = anchor_slots(1)[number]
    return _state(lambda state: state.anchor.update({key: value(state.anchor[key])}))


def _term(number: int, value: Callable[[int], int]) -> State:
    """Give a slot of the registry another word, by its place among those of the officer's key."""
    key = KEY_SLOTS[number]
    return _state(lambda state: state.registry.update({key: value(state.registry[key])}))


def _record() -> list[Vector]:
    header = hexed(ledger().state_with().header())
    other_code = dict.fromkeys(("anchor_code_hash", "registry_code_hash"), ELSEWHERE)
    before = _state(lambda state: state.record(2, bytes(32), 20, 10, ANCHORED_AT + 12))
    spoiled = {
        "another root": _slot(1, lambda word: word ^ 1),
        "another size": _slot(2, lambda word: word + 1),
        "a record that is not there": _slot(1, lambda word: word & 0),
        "a record above the block": _slot(2, lambda word: word + (9 << 64)),
        "a record before that is not the start": _slot(3, lambda word: word ^ 1),
        "a record before of a later time": _slot(4, lambda word: word + (1 << 160)),
        "a last record of another size": _slot(0, lambda word: word + (1 << 64)),
        "a last record below": _slot(0, lambda word: word - 1),
    }
    return [
        *(Fails.anchor(f"anchor: {name}", _anchor(state)) for name, state in spoiled.items()),
        Vector("anchor: not the last record any more", _anchor(before)),
        Vector("anchor: more above the packed numbers", _anchor(_slot(2, lambda word: word + (1 << 192)))),
        unverifiable("anchor: a node of the state left out", _without_node(of_anchor=True), unchecked=(5,)),
        failing(5, 11)(
            "contracts of other code",
            put("/anchor/block_note", example.vouched(header, contracts=replace(CHAIN, **other_code))),
            trust=tuple(patch for field in other_code for patch in put(f"/chains/0/{field}", ELSEWHERE)),
        ),
    ]


def _without_node(*, of_anchor: bool) -> tuple[Patch]:
    """Leave out the nodes of one contract's storage."""
    state = ledger().state_with()
    kept = ledger().anchor(OFFICER).state
    roots = [storage_trie(slots).root_hash for slots in (state.anchor, state.registry)]
    gone = roots[0 if of_anchor else 1]
    return put("/anchor/state", [node for node in kept if keccak256(bytes.fromhex(node[2:])) != gone])


def _grant() -> list[Vector]:
    nothing = _state(lambda state: [*map(state.registry.pop, KEY_SLOTS)])
    spoiled = {
        "another agency": _term(0, lambda word: word + 1),
        "another officer": _term(1, lambda word: word + 1),
        "other roles": _term(2, lambda word: word ^ 4),
        "another end": _term(2, lambda word: word + (1 << 104)),
        "J: a grant that no chain has": nothing,
    }
    return [
        *(Fails.registry(f"registry: {name}", _anchor(state)) for name, state in spoiled.items()),
        unverifiable("J: the nodes of the registry left out", _without_node(of_anchor=False), unchecked=(11,)),
        Vector(
            "registry of an entry of the ledger itself, which no step looks at",
            _without_node(of_anchor=False),
            unchecked=(11,),
            of="sealed",
        ),
    ]


# -- tries made by hand -----------------------------------------------------------------------------------------------

PATH = keccak256(KEY_SLOTS[0]).hex()  # of the slot that is read first
KEY = PATH[1:]  # below the root
FIVE = rlp.encode(quantity(5))


def _trie(name: str, nodes: list[Any], *, fails: bool = False) -> Vector:
    """Make the registry's storage a branch under which these nodes lead to the first slot of a key.

    Nothing else under it is here: where the first slot can be read, a node is missing for the next one.
    """
    root: list[Any] = [bytes([place + 1] * 32) for place in range(16)] + [b""]
    first = rlp.encode(nodes[0]) if not isinstance(nodes[0], bytes) else nodes[0]
    root[int(PATH[0], 16)] = keccak256(first) if len(first) >= 32 else nodes[0]
    state = ledger().state_with()
    anchor = state.with_handmade_trie(ledger().anchor(OFFICER), [root, *nodes])
    anchor = replace(anchor, block_note=example.vouched(anchor.header))
    comes = Fails.registry if fails else partial(unverifiable, unchecked=(11,))
    return comes(f"trie: {name}", put("/anchor", plain(anchor)))


def _tries() -> list[Vector]:
    """Where the first slot is read, the nodes of the next one are missing."""
    assert keccak256(KEY_SLOTS[1]).hex()[0] != PATH[0], "the next slot is elsewhere"
    too_long = extension(other(KEY[1:]) + "0", bytes(32))
    return [
        _trie("a leaf", [leaf(KEY, FIVE)]),
        _trie("a branch and a leaf", [branch(KEY[0], hashed(leaf(KEY[1:], FIVE))), leaf(KEY[1:], FIVE)]),
        _trie("an extension and a leaf", [extension(KEY[:7], hashed(leaf(KEY[7:], FIVE))), leaf(KEY[7:], FIVE)]),
        _trie("a node that stands in its parent", deep(KEY, FIVE)),
        _trie("a short node by its hash", deep(KEY, FIVE, by_hash=True), fails=True),
        _trie("absent by an empty slot of a branch", [branch(other(KEY)[0], bytes(32))]),
        _trie("absent by a leaf that differs", [leaf(other(KEY), FIVE)]),
        _trie("absent by an extension that differs", [extension(other(KEY)[:8], bytes(32))]),
        _trie("absent by an extension longer than the path", [extension(other(KEY) + "00", bytes(32))], fails=True),
        _trie("absent by an extension longer than the rest", [branch(KEY[0], hashed(too_long)), too_long], fails=True),
        _trie("absent by a leaf that is too short", [leaf(other(KEY)[:-1], FIVE)], fails=True),
        _trie("a value with a zero before", [leaf(KEY, rlp.encode(b"\0\5"))], fails=True),
        _trie("a value of zero that is there", [leaf(KEY, rlp.encode(b""))], fails=True),
        _trie("a value in a second spelling", [leaf(KEY, b"\x81\5")], fails=True),
        _trie(
            "a branch with a value",
            [branch(KEY[0], hashed(leaf(KEY[1:], FIVE)), b"x"), leaf(KEY[1:], FIVE)],
            fails=True,
        ),
        _trie("a flag that is none", [[bytes.fromhex("5" + KEY), FIVE]], fails=True),
    ]


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


def _own_keys(*ends: tuple[str, int]) -> tuple[Patch, ...]:
    """Trust another key of the ledger itself, and these earlier ones up to an index."""
    earlier = [{"key_id": key_id, "until": until} for key_id, until in ends]
    return (*put("/service_key_id", "0x" + "77" * 20), *put("/earlier_service_keys", earlier))


def trust_file_vectors() -> list[Vector]:
    """Return faults of the trust file."""
    changes = {
        "no witness asked for by a production ledger": NONE,
        "K: the log's key as a witness's": policy(f"{example.WITNESS_LINES}{OWN_LINE}group g 2 w1 w4\nquorum g\n"),
        "K: a witness's key in two lines": policy(f"{ONE}\n{ONE.replace('w1', 'w2', 1)}\nquorum w1\n"),
        "K: one address as anchor and registry": put("/chains/0/anchor", CHAIN.registry),
        "K: the ledger's own key as a contract": put("/service_key_id", CHAIN.anchor),
        "one chain twice, with the same anchor": put("/chains/-", plain(CHAIN)),
        "a threshold that is no word of a policy": policy(
            f"{example.WITNESS_LINES}group g constructor w1 w2 w3\nquorum g\n"
        ),
        "a threshold of a name that objects inherit": policy(
            f"{example.WITNESS_LINES}group g __proto__ w1 w2 w3\nquorum g\n"
        ),
        "a member of two groups": policy(f"{ONE}\ngroup a any w1\ngroup b any w1\nquorum a\n"),
        "a name used above its line": policy(f"quorum w1\n{ONE}\n"),
        "a carriage return in the policy": policy(f"{ONE}\r\nquorum w1\r\n"),
        "no quorum line": policy(f"{ONE}\n"),
        "a policy of another log": policy(
            f"log {SeedSigner.from_seed('x.example', b'9' * 32).verifying_key.vkey()}\n{ONE}\nquorum w1\n"
        ),
        "DEL in the policy": policy(f"# \x7f\n{example.POLICY}"),
        "a control character in a comment of the policy": policy(f"# \x01\n{example.POLICY}"),
        "a word behind a witness's URL": policy(f"{ONE} https://w1.example/ x\nquorum w1\n"),
        "a word behind a log's URL": policy(f"log {OWN_LOG} https://log.example/ x\n{example.POLICY}"),
        "a word behind the quorum": policy(f"{example.POLICY.rstrip()} x\n"),
        "a group without members": policy(f"{example.WITNESS_LINES}group g any\nquorum w1\n"),
        "a threshold of 0": policy(f"{example.WITNESS_LINES}group g 0 w1\nquorum g\n"),
        "a threshold with a zero before": policy(f"{example.WITNESS_LINES}group g 02 w1 w2 w3\nquorum g\n"),
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
    mirror, other = partial(Vector, unchecked=(11,), of="mirror"), ELSEWHERE[:42]
    no_grant = partial(unverifiable, unchecked=(10, 11))
    return [
        mirror("an earlier key of the ledger, until the index after", trust=_own_keys((OWN_KEY, 2))),
        Fails.authority("an earlier key of the ledger, until this index", of="mirror", trust=_own_keys((OWN_KEY, 1))),
        mirror("an earlier key of the ledger, behind another one", trust=_own_keys((other, 1), (OWN_KEY, 2))),
        Fails.authority(
            "an earlier key of the ledger, behind another one that still counted",
            of="mirror",
            trust=_own_keys((other, 2), (OWN_KEY, 3)),
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
    good = TRUSTED.stamp(text, STAMPED_AT)
    longer = example.Ledger([*ledger().entries, *ledger().entries[-1:]])
    smaller = example.Ledger(ledger().entries[: REGISTERED + 1])
    before = example.Ledger(ledger().entries[:REGISTERED])

    def stamped(response: bytes, of: example.Ledger) -> tuple[Patch]:
        """Put the timestamp of a tree that the example's log had."""
        size = of.checkpoint.size
        path = merkle.consistency_proof(size, checkpoint.size, _nodes) if size < checkpoint.size else ()
        root, consistency = encode_hash(of.checkpoint.root), tuple(map(encode_hash, path))
        response_text = b64encode(response).decode()
        return put(
            "/timestamps", [plain(TreeStamp(size=size, root=root, consistency=consistency, response=response_text))]
        )

    def vector(
        name: str, file: tuple[Patch, ...], time: int = BY_QUORUM, root: x509.Certificate | None = None
    ) -> Vector:
        trusted = b64encode((root or TRUSTED.root).public_bytes(Encoding.DER)).decode()
        return Vector(f"timestamp: {name}", file, trust=put("/timestamp_roots", [trusted]), time=time)

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
        vector("of a root that signs something else", stamped(good, ledger()), root=STRANGER.root),
        vector("C: a signature that does not hold", stamped(spoiled, ledger())),
        vector("C: of another text", stamped(TRUSTED.stamp(longer.checkpoint.text(), STAMPED_AT), ledger())),
        vector("C: of a larger tree", stamped(TRUSTED.stamp(longer.checkpoint.text(), STAMPED_AT), longer)),
        vector("C: of nothing", stamped(b"", ledger())),
        Vector("timestamp: where no root is trusted", stamped(good, ledger()), time=BY_QUORUM),
    ]


def _nodes(level: int, index: int) -> merkle.Hash:
    """Return a complete node of the example's tree."""
    leaves = [merkle.leaf_hash(entry.data) for entry in ledger().entries]
    return merkle.root_of(leaves[index << level : (index + 1) << level])
