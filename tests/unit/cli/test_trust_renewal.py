"""``tally trust``: a trust file is renewed by what the old one trusts, from machine to machine by files."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from msgspec.structs import replace

from ledger.cli.errors import Exit
from ledger.config.keys import create_note_key
from ledger.core.encoding import canonical
from ledger.core.trust.trust_file import Trust, TrustedBlock, encode_trust, parse_trust
from ledger.core.trust.trust_renewal import trust_digest
from tests.testkit import bundles
from tests.testkit.bundles import CHAIN, ORIGIN
from tests.testkit.tally import PASSPHRASE, Tally

AGENCIES = ("police-east", "procuratorate-east", "court-east")


@dataclass
class Ledger:
    """An operator's keys, three witnesses' keys, and the trust file that names them, each in a folder of its own."""

    tally: Tally
    folder: Path

    def make(self) -> Trust:
        """Make the keys, and the trust file of before."""
        (self.folder / "operator" / "keys").mkdir(parents=True)
        log_key = create_note_key(self.folder / "operator" / "keys" / "log.pem", ORIGIN, PASSPHRASE, light=True)
        lines = []
        for agency in AGENCIES:
            words = ("witness", "key", f"{agency}.example/w1", "--data-dir", self.folder / agency, "--light")
            vkeys = self.tally.ok(*words, "--passphrase-file", self.tally.passphrase_file)["verifier_keys"]
            names = [f"{agency}.{number}" for number, _ in enumerate(vkeys)]
            lines += [f"witness {name} {vkey}\n" for name, vkey in zip(names, vkeys, strict=True)]
            lines.append(f"group {agency} all {' '.join(names)}\n")
        policy = f"{''.join(lines)}group two 2 {' '.join(AGENCIES)}\nquorum two\n"
        return replace(bundles.trust(), log_vkey=log_key.vkey(), policy_text=policy, development=False)

    def written(self, name: str, trust: Trust) -> Path:
        path = self.folder / name
        path.write_bytes(encode_trust(trust))
        return path

    def prepared(self) -> tuple[Trust, Path, Path]:
        """Make the keys; give the trust file of before, and the files of it and of one with another anchor contract."""
        before = self.make()
        return before, self.written("old.json", before), self.written("new.json", newer(before))

    def operator(self, old: Path, new: Path, *words: str | Path) -> Path:
        """Renew as the operator, and give what that writes."""
        asked = self.folder / "renewal.json"
        where = ("--data-dir", self.folder / "operator", "--passphrase-file", self.tally.passphrase_file)
        self.tally.ok("trust", "renew", old, new, *where, *words, "--replace", "-o", asked)
        return asked

    def witness(self, agency: str, asked: Path, old: Path) -> Path:
        """Co-sign as a witness, and give the signed copy."""
        signed = self.folder / f"renewal-{agency}.json"
        where = ("--data-dir", self.folder / agency, "--passphrase-file", self.tally.passphrase_file)
        self.tally.ok("trust", "cosign", asked, "--trust", old, "--yes", *where, "--replace", "-o", signed)
        return signed


@pytest.fixture
def ledger(tally: Tally, tmp_path: Path) -> Ledger:
    return Ledger(tally, tmp_path)


def newer(trust: Trust) -> Trust:
    """With another anchor contract, as after a move to a successor."""
    return replace(trust, chains=(replace(CHAIN, anchor="0x" + "77" * 20),))


def test_new_trust_file_comes_by_the_word_of_the_old(ledger: Ledger) -> None:
    """Operator and two of three witnesses sign copies; together they replace the file, and the old one is kept. With
    one witness, or without the log's key, nothing is touched."""
    before, old, new = ledger.prepared()
    mine = ledger.written("mine.json", before.naming(CHAIN, [TrustedBlock(9, "0x" + "11" * 32)]))
    mine.chmod(0o644)
    asked = ledger.operator(old, new)
    first = ledger.witness(AGENCIES[0], asked, old)
    content = mine.read_bytes()
    done = ledger.tally("trust", "accept", first, "--trust", mine)
    assert (done.status, "is not reached by police-east.example/w1" in done.err) == (Exit.REFUSED, True)
    assert mine.read_bytes() == content

    second = ledger.witness(AGENCIES[2], asked, old)
    done = ledger.tally("trust", "accept", first, second, "--trust", mine)
    assert done.status == 0, done.err
    assert "chains: " in done.err
    assert parse_trust(mine.read_bytes()) == newer(before)
    assert mine.stat().st_mode & 0o777 == 0o644
    kept = mine.with_name(f"mine-{trust_digest(before)[7:15]}.json")
    assert kept.read_bytes() == content
    ledger.tally.refuses(Exit.REFUSED, "It was accepted already.", "trust", "accept", first, second, "--trust", mine)


def test_lost_log_key_is_renewed_by_witnesses_where_the_verifier_says_so(ledger: Ledger) -> None:
    """Without the log's key the operator's file is unsigned; the quorum alone counts by --log-key-lost only."""
    before, old, new = ledger.prepared()
    (ledger.folder / "operator" / "keys" / "log.pem").unlink()
    where = ("--data-dir", ledger.folder / "operator", "--passphrase-file", ledger.tally.passphrase_file)
    done = ledger.tally("trust", "renew", old, new, *where, "-o", ledger.folder / "none.json")
    assert (done.status, "--log-key-lost" in done.err) == (Exit.REFUSED, True)
    asked = ledger.operator(old, new, "--log-key-lost")
    copies = [ledger.witness(agency, asked, old) for agency in AGENCIES[:2]]
    ledger.tally.refuses(Exit.REFUSED, "has not signed the renewal", "trust", "accept", *copies, "--trust", old)
    answer = ledger.tally.ok("trust", "accept", *copies, "--log-key-lost", "--trust", old)
    assert answer["signed_by"] == [f"{agency}.example/w1" for agency in AGENCIES[:2]]
    assert parse_trust(old.read_bytes()) == newer(before)


def test_witness_reads_before_it_signs(ledger: Ledger) -> None:
    """What changes is shown, and without a terminal nothing is signed unasked; a renewal of another file is refused."""
    _, old, new = ledger.prepared()
    asked, signed = ledger.operator(old, new), ledger.folder / "signed.json"
    where = ("--data-dir", ledger.folder / AGENCIES[0], "--passphrase-file", ledger.tally.passphrase_file, "-o", signed)
    done = ledger.tally("trust", "cosign", asked, "--trust", old, *where, agrees=False)
    assert (done.status, "--yes" in done.err, "0x" + "77" * 20 in done.err) == (Exit.USAGE, True, True)
    done = ledger.tally("trust", "cosign", asked, "--trust", new, "--yes", *where)
    assert (done.status, "renews another trust file" in done.err) == (Exit.REFUSED, True)
    done = ledger.tally("trust", "cosign", old, "--trust", old, "--yes", *where)
    assert done.status == Exit.USAGE
    assert not signed.exists()


def test_profile_renews_its_own_file(ledger: Ledger) -> None:
    """Without --trust it is the profile's; one that has none is told how to get the first."""
    before, old, new = ledger.prepared()
    asked = ledger.operator(old, new)
    copies = [ledger.witness(agency, asked, old) for agency in AGENCIES[:2]]
    ledger.tally.ok("profile", "add", "reader", "--url", "http://127.0.0.1:9")
    ledger.tally.refuses(Exit.REFUSED, "tally log trust --pin", "trust", "accept", *copies, profile="reader")
    ledger.tally.ok("profile", "add", "reader", "--url", "http://127.0.0.1:9", "--trust", old, "--replace")
    file = ledger.tally.ok("trust", "accept", *copies, profile="reader")["file"]
    assert parse_trust(Path(file).read_bytes()) == newer(before)
    spoiled = json.loads(copies[0].read_bytes())
    copies[0].write_bytes(canonical.encode(spoiled | {"signatures": [spoiled["signatures"][0]] * 2}))
    assert ledger.tally("trust", "accept", *copies, profile="reader").status == Exit.REFUSED
