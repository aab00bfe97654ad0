"""The specification says what is so: its generated parts are current, and a stranger can check its example from it.

The second half is that stranger: it reads docs/protocol.md's example with other people's libraries and none of ours.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
import rfc8785
from blake3 import blake3
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from eth_abi.abi import encode
from eth_account import Account
from eth_account.messages import encode_typed_data
from eth_utils.crypto import keccak

from ledger.core.events import Envelope, Payload, Section
from ledger.core.supervision import model_package
from ledger.core.verification import bundle as verify
from ledger.core.verification import case
from ledger.core.verification.bundle_format import decode_bundle
from ledger.core.verification.trust import parse_trust
from scripts.docs import protocol_examples
from scripts.docs import protocol_tables as tables
from tests.testkit.machine import REPOSITORY

DOCUMENT = protocol_examples.DOCUMENT.read_text(encoding="utf-8")
RULE = re.compile(r'(?:refuse\(\s*|code=)"([a-z_]+)"')
TYPES = re.compile(r"`\w+`\?? [\[{]?([A-Z][a-z]\w+)(?:: ([A-Z][a-z]\w+))?")
NOUN = re.compile(r'look_up\(\s*[a-z_.]+, [a-z_.]+, "([a-z ]+)"')
BUNDLE: dict[str, Any] = json.loads((protocol_examples.EXAMPLES / "bundle.json").read_bytes())
TRUST: dict[str, Any] = json.loads((protocol_examples.EXAMPLES / "trust.json").read_bytes())
EVIDENCE = {"event": BUNDLE, "agency": BUNDLE["authority"]["agency"], "grant": BUNDLE["authority"]["grant"]}


# -- the document ------------------------------------------------------------------------------------------------------


def test_the_generated_parts_are_current() -> None:
    """Tables, worked examples and example files are those that types and code give now."""
    assert protocol_examples.main(["--check"]) == 0


def test_every_part_stands_in_the_document() -> None:
    """Each generated part has its markers, once, and no marker is without a part."""
    assert sorted(mark["part"] for mark in protocol_examples.MARKED.finditer(DOCUMENT)) == sorted(
        protocol_examples.PARTS
    )


def test_a_difference_is_found(tmp_path: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """A generated part that was edited by hand is told by --check."""
    edited = tmp_path / "docs" / "protocol.md"
    edited.parent.mkdir()
    edited.write_text(DOCUMENT.replace("version` 1", "version` 7"), encoding="utf-8")
    monkeypatch.setattr(protocol_examples, "ROOT", tmp_path)
    monkeypatch.setattr(protocol_examples, "DOCUMENT", edited)
    monkeypatch.setattr(protocol_examples, "EXAMPLES", tmp_path / "docs" / "examples")
    assert protocol_examples.main(["--check"]) == 1
    assert "differs: docs/protocol.md" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("part", "folder", "besides"),
    [
        ("refusals", "custody", set()),
        ("supervision refusals", "supervision", {"already_closed", "already_decided", "not_assigned", "not_decided"}),
    ],
)
def test_every_refusal_is_listed(part: str, folder: str, besides: set[str]) -> None:
    """Each table of refusals has each rule that the folds of its subject refuse by, and none besides."""
    table = DOCUMENT.split(f"<!-- {part} -->")[1].split(f"<!-- /{part} -->")[0]
    listed = {name for line in table.splitlines()[3:] for name in re.findall(r"`([a-z_]+)`", line.split("|")[1])}
    sources = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "ledger/core" / folder).glob("*.py")]
    refused = {name for source in sources for name in RULE.findall(source)}
    looked_up = {f"unknown_{noun.replace(' ', '_')}" for source in sources for noun in NOUN.findall(source)}
    assert listed == (refused | looked_up | besides) - {"not_on_head"}


def test_every_type_that_a_field_has_is_told() -> None:
    """Whoever reads the tables finds each type that they name: a form, a vocabulary or a value of listed fields."""
    structs = " ".join(map(tables.fields_of, (Payload, Section, Envelope)))
    fields = f"{structs} {tables.parts()} {tables.bodies()}"
    named = {name for names in TYPES.findall(fields) for name in names if name}
    types = {
        *tables.WORDS,
        *tables.VOCABULARIES,
        *re.findall(r"^- \*\*(\w+)", tables.parts(), re.MULTILINE),
    }
    assert {"Stream", "Authority", "EventRef", "Blake3", "SectionLabel", "Purpose"} <= named
    assert named <= types


def test_the_steps_are_those_of_the_verifiers() -> None:
    """The tables of steps name each, in the order in which it is performed: of a bundle, a case and a package."""
    section = DOCUMENT.split("\n## 11. ")[1]
    rows = re.findall(r"^\| ([0-9]+) ([a-z]+) \|", section, re.MULTILINE)
    performed = [
        (str(number), name)
        for steps in (verify.STEPS, case.STEPS, model_package.STEPS)
        for number, (name, _) in enumerate(steps, 1)
    ]
    assert rows == performed


def test_the_example_is_a_proof_to_our_verifier_too() -> None:
    """The files beside the document are read and come to the verdict that the document tells."""
    bundle = (protocol_examples.EXAMPLES / "bundle.json").read_bytes()
    trust = parse_trust((protocol_examples.EXAMPLES / "trust.json").read_bytes())
    assert decode_bundle(bundle).format == "tallystick/bundle@v1"
    report = verify.verify_bundle(bundle, trust)
    assert report.verdict == "intact"
    assert {step.result for step in report.steps} == {"checked"}


# -- the stranger ------------------------------------------------------------------------------------------------------


def digest(value: Any) -> str:
    return f"blake3:{blake3(rfc8785.dumps(value)).hexdigest()}"


def summary(envelope: dict[str, Any]) -> str:
    stream = envelope["stream"]
    place = f"as entry {envelope['sequence']} of {stream['kind']} {stream['id']}"
    return f"{envelope['event_type']} {place} for {envelope['agency']}"


def typed_data(envelope: dict[str, Any]) -> dict[str, Any]:
    """Section 5."""
    types = dict(re.findall(r"^(EIP712Domain|Event)\((.*)\)$", DOCUMENT, re.MULTILINE))
    fields = {
        name: [dict(zip(("type", "name"), field.split(" "), strict=True)) for field in text.split(",")]
        for name, text in types.items()
    }
    previous = envelope["previous"] or "blake3:" + "00" * 32
    message = {
        "summary": summary(envelope),
        "eventId": envelope["event_id"],
        "eventType": envelope["event_type"],
        "streamKind": envelope["stream"]["kind"],
        "streamId": envelope["stream"]["id"],
        "sequence": envelope["sequence"],
        "previous": "0x" + previous.partition(":")[2],
        "agency": envelope["agency"],
        "payloadBlake3": "0x" + envelope["payload_digest"].partition(":")[2],
        "signedAt": envelope["signed_at"],
        "signer": envelope["key_id"],
    }
    domain = {"name": "Tallystick", "version": "1", "salt": TRUST["log_id"]}
    return {"types": fields, "primaryType": "Event", "domain": domain, "message": message}


def parts_of(proof: str) -> tuple[int, list[bytes], str, str]:
    """Index, hashes, note text and signature lines of a tlog-proof (section 7)."""
    head, note = proof.split("\n\n", 1)
    first, index, *hashes = head.split("\n")
    assert first == "c2sp.org/tlog-proof@v1"
    text, lines = note.rsplit("\n\n", 1)
    return int(index.removeprefix("index ")), [base64.b64decode(digest) for digest in hashes], text + "\n", lines


def climb(entry: bytes, index: int, size: int, hashes: list[bytes]) -> bytes:
    """The root that a proof leads to, by the recursion of RFC 6962 read backwards."""
    if size == 1:
        assert not hashes
        return hashlib.sha256(b"\0" + entry).digest()
    split = 1 << (size - 1).bit_length() - 1
    *below, sibling = hashes
    if index < split:
        return hashlib.sha256(b"\1" + climb(entry, index, split, below) + sibling).digest()
    return hashlib.sha256(b"\1" + sibling + climb(entry, index - split, size - split, below)).digest()


def key_of(spelled: str) -> tuple[str, bytes, Ed25519PublicKey]:
    name, key_id, encoded = spelled.split("+", 2)
    material = base64.b64decode(encoded)
    assert hashlib.sha256(name.encode() + b"\n" + material).digest()[:4].hex() == key_id
    return name, bytes.fromhex(key_id), Ed25519PublicKey.from_public_bytes(material[1:])


def signatures_by(lines: str, name: str, key_id: bytes) -> Iterator[bytes]:
    for line in lines.splitlines():
        dash, signer, encoded = line.split(" ")
        raw = base64.b64decode(encoded)
        if (dash, signer, raw[:4]) == ("—", name, key_id):
            yield raw[4:]


@pytest.mark.parametrize("evidence", EVIDENCE.values(), ids=EVIDENCE)
def test_a_stranger_recovers_the_signer(evidence: dict[str, Any]) -> None:
    """By the types and rules of section 5 a wallet's library finds the key that the envelope names."""
    envelope = evidence["envelope"]
    message = encode_typed_data(full_message=typed_data(envelope))
    assert Account.recover_message(message, signature=envelope["signature"]).lower() == envelope["key_id"]


@pytest.mark.parametrize("evidence", EVIDENCE.values(), ids=EVIDENCE)
def test_a_stranger_finds_the_payload_that_was_signed(evidence: dict[str, Any]) -> None:
    """By sections 2 and 3 the payload has its digest, and says what the envelope says."""
    envelope, payload = evidence["envelope"], evidence["payload"]
    assert digest(payload) == envelope["payload_digest"]
    for field in ("version", "event_id", "event_type", "stream", "sequence", "previous", "agency"):
        assert payload[field] == envelope[field]


def test_a_stranger_checks_the_section() -> None:
    """The section shown is the one that the payload commits to."""
    assert {label: digest(part) for label, part in BUNDLE["sections"].items()} == BUNDLE["payload"]["confidential"]


@pytest.mark.parametrize("evidence", EVIDENCE.values(), ids=EVIDENCE)
def test_a_stranger_finds_the_entry_in_the_log(evidence: dict[str, Any]) -> None:
    """By section 7 the entry leads to the root of a checkpoint that the log signed and the witness co-signed."""
    index, hashes, text, lines = parts_of(evidence["proof"])
    origin, size, root = text.splitlines()
    assert climb(rfc8785.dumps(evidence["envelope"]), index, int(size), hashes) == base64.b64decode(root)
    name, key_id, key = key_of(TRUST["log_key"])
    (signed,) = signatures_by(lines, name, key_id)
    assert name == origin == TRUST["origin"]
    key.verify(signed, text.encode())
    witness = re.search(r"^witness w1 (\S+)$", TRUST["witness_policy"], re.MULTILINE)
    assert witness is not None
    name, key_id, key = key_of(witness[1])
    (cosigned,) = signatures_by(lines, name, key_id)
    time = int.from_bytes(cosigned[:8], "big")
    key.verify(cosigned[8:], f"cosignature/v1\ntime {time}\n{text}".encode())
    assert time == 1_767_225_600


def test_a_stranger_derives_the_authority() -> None:
    """By section 6 the rolling hash of both changes follows, and the grant covers the act."""
    admitted, granted = EVIDENCE["agency"]["payload"]["body"], EVIDENCE["grant"]["payload"]["body"]
    kinds = ["bytes32", "uint8", "bytes32", "uint8", "address", "bytes32", "uint32", "uint8", "uint64", "uint64"]
    zero, police = bytes(32), b"psb-east".ljust(32, b"\0")
    first = [1, police, 1, admitted["admin"], zero, 0, 0, 0, 0, 0, keccak(rfc8785.dumps(admitted["profile"]))]
    key, officer = granted["key_id"], granted["officer"].encode().ljust(32, b"\0")
    second = [3, police, 0, key, officer, 3, 1, granted["valid_from"], granted["valid_until"], 0, keccak(b"")]
    rolled = bytes.fromhex(TRUST["log_id"][2:])
    for change, words in ((admitted, first), (granted, second)):
        rolled = keccak(encode([*kinds, "uint16", "bytes32"], [rolled, *words]))
        assert change["registry_hash"] == "0x" + rolled.hex()
    envelope, payload = BUNDLE["envelope"], BUNDLE["payload"]
    assert (granted["key_id"], granted["agency"], granted["officer"]) == (
        envelope["key_id"],
        envelope["agency"],
        payload["officer"],
    )
    assert granted["valid_from"] <= envelope["signed_at"] < granted["valid_until"]
    indexes = [parts_of(EVIDENCE[name]["proof"])[0] for name in ("agency", "grant", "event")]
    assert indexes == sorted(set(indexes))
    assert {EVIDENCE[name]["envelope"]["key_id"] for name in ("agency", "grant")} == {TRUST["service_key_id"]}
