"""Witness policies (C2SP tlog-policy): which witnesses must have co-signed a checkpoint."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from msgspec import Struct

from ledger.core.errors import MalformedInput, SignatureRefused
from ledger.core.log.notes import COSIGNING, SignatureType, VerifyingKey, parse_vkey, require_type

NO_QUORUM = "none"
MAX_POLICY_LENGTH = 262_144  # characters: room for 64 logs and witnesses whose keys are of ML-DSA-44

LOG_TYPES = (SignatureType.ED25519, SignatureType.SUBTREE_V1)  # C2SP tlog-checkpoint

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_FORMS = {
    "log": "<vkey> [<url>]",
    "witness": "<name> <vkey> [<url>]",
    "group": "<name> all|any|<k> <name>...",
    "quorum": "<name>|none",
}
_THRESHOLD = re.compile(r"[1-9][0-9]{0,3}")


class WitnessGroup(Struct, frozen=True):
    """A group counts as a co-signer if ``threshold`` of its members do; 1 <= threshold <= len(members)."""

    threshold: int
    members: tuple[str, ...]


class Policy(Struct, frozen=True):
    """A parsed policy. ``groups`` are in the order of the text: each refers only to names above it.

    A witness here is one key. Of somebody who signs with two, a group asks for either (``any``) or both (``all``).
    """

    text: str
    logs: tuple[VerifyingKey, ...]
    witnesses: dict[str, VerifyingKey]
    groups: dict[str, WitnessGroup]
    quorum: str

    @property
    def asks_for_witnesses(self) -> bool:
        """Tell whether any witness is required."""
        return self.quorum != NO_QUORUM

    def is_met_by(self, cosigners: Iterable[VerifyingKey]) -> bool:
        """Tell whether the co-signatures of these witnesses are enough."""
        keys = set(cosigners)
        names = {name for name, key in self.witnesses.items() if key in keys}
        # A group refers only to names above it, so one pass in order is enough.
        for name, group in self.groups.items():
            if sum(member in names for member in group.members) >= group.threshold:
                names.add(name)
        return not self.asks_for_witnesses or self.quorum in names


def parse_policy(text: str) -> Policy:
    """Parse a policy. Raises MalformedInput, which names the line."""
    if len(text) > MAX_POLICY_LENGTH or _CONTROL.search(text):
        raise MalformedInput("a policy is plain text of at most 256 KiB", field="policy")
    reader = _Reader()
    for number, line in enumerate(text.split("\n"), 1):
        words = line.replace("\t", " ").split(" ")
        words = [word for word in words if word]
        if words and not words[0].startswith("#"):
            reader.read(words, f"policy line {number}")
    if reader.quorum is None:
        raise MalformedInput("a policy has one quorum line; without witnesses it is: quorum none", field="policy")
    return Policy(text, tuple(reader.logs), reader.witnesses, reader.groups, reader.quorum)


def parse_witness_keys(vkeys: Sequence[str]) -> tuple[VerifyingKey, ...]:
    """Parse the keys with which one witness co-signs: one, or one of each kind, under one name.

    Raises MalformedInput, or SignatureRefused for a key that does not co-sign.
    """
    keys = tuple(map(parse_vkey, vkeys))
    for key in keys:
        require_type(key, *COSIGNING)
    if not keys or len({key.signature_type for key in keys}) < len(keys):
        raise MalformedInput("expected one key, or one of each kind: Ed25519 and ML-DSA-44", field="vkey")
    if len({key.name for key in keys}) > 1:
        raise MalformedInput("expected one name, not {names}", names=", ".join(key.name for key in keys), field="vkey")
    return keys


class _Reader:
    """Reads a policy line by line; a name must be defined above the line that uses it."""

    def __init__(self) -> None:
        self.logs: list[VerifyingKey] = []
        self.witnesses: dict[str, VerifyingKey] = {}
        self.groups: dict[str, WitnessGroup] = {}
        self.quorum: str | None = None
        self._members: set[str] = set()

    def read(self, words: list[str], where: str) -> None:
        match words:
            case ["log", vkey] | ["log", vkey, _]:
                self.logs.append(self._key(vkey, LOG_TYPES, where))
            case ["witness", name, vkey] | ["witness", name, vkey, _]:
                key = self._key(vkey, COSIGNING, where)
                self.witnesses[self._new_name(name, where)] = key
            case ["group", name, threshold, _, *_]:
                name, members = self._new_name(name, where), tuple(words[3:])
                # In one group only: else one witness could count twice towards the quorum.
                for member in members:
                    self._require_defined(member, where)
                    if member in self._members:
                        raise MalformedInput("{member} is a member already", member=member[:40], field=where)
                    self._members.add(member)
                self.groups[name] = WitnessGroup(_threshold(threshold, len(members), where), members)
            case ["quorum", name]:
                if self.quorum is not None:
                    raise MalformedInput("a policy has one quorum line", field=where)
                if name != NO_QUORUM:
                    self._require_defined(name, where)
                self.quorum = name
            case [kind, *_] if kind in _FORMS:
                raise MalformedInput("expected: {kind} {forms}", kind=kind, forms=_FORMS[kind], field=where)
            case _:
                raise MalformedInput("expected log, witness, group or quorum", field=where)

    def _key(self, text: str, kinds: tuple[SignatureType, ...], where: str) -> VerifyingKey:
        try:
            key = parse_vkey(text)
            require_type(key, *kinds)
        except (MalformedInput, SignatureRefused) as error:
            raise MalformedInput(error.text, field=where, hint=error.hint) from error
        # The keys of all roles are compared: a log that is its own witness would count as two parties.
        if any(role_key.is_alike(key) for role_key in (*self.logs, *self.witnesses.values())):
            raise MalformedInput("the key of {key.name} stands in a line above", key=key, field=where)
        return key

    def _new_name(self, name: str, where: str) -> str:
        if name == NO_QUORUM or name in self.witnesses or name in self.groups:
            raise MalformedInput("the name {name} is taken", name=name[:40], field=where)
        return name

    def _require_defined(self, name: str, where: str) -> None:
        if name not in self.witnesses and name not in self.groups:
            raise MalformedInput("no line above defines {name}", name=name[:40], field=where)


def _threshold(word: str, members: int, where: str) -> int:
    named_thresholds = {"any": 1, "all": members}
    if word in named_thresholds:
        return named_thresholds[word]
    if not _THRESHOLD.fullmatch(word) or int(word) > members:
        raise MalformedInput("expected all, any or a number from 1 to {members}", members=members, field=where)
    return int(word)
