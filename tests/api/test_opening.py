"""The trust file that a service writes is one that verifiers take."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from api.wiring import TrustHolder
from ledger.anchoring.state_proofs import trusted_chain
from ledger.chain.journal import ChainFingerprint, Deployment
from ledger.config.installation import FORMAT, DataDirectory, Installation, read_founding
from ledger.core.log.notes import SeedSigner, SignatureType
from ledger.core.verification.trust import parse_trust
from tests.testkit.builders import COURT, POLICE, PROCURATORATE, SERVICE, founder, key_id
from tests.testkit.ledgers import LOG_SIGNER
from tests.testkit.timestamping import new_authority

DEPLOYMENT = Deployment(
    ChainFingerprint(31337, 3, b"\3" * 32), key_id("registry"), key_id("anchor"), b"\4" * 32, b"\5" * 32
)
WITNESSES = {
    agency: SeedSigner.from_seed(f"{agency}/w1", agency.encode().ljust(32, b"."), SignatureType.COSIGNATURE_V1)
    for agency in (POLICE, PROCURATORATE, COURT)
}


def installation(*, quorum: int) -> Installation:
    """Return a ledger whose agencies all have a witness; for development where the quorum is 0."""
    keys = {
        agency: (key_id(f"witness of {agency}"), witness.verifying_key.vkey()) for agency, witness in WITNESSES.items()
    }
    agencies = [
        founder(agency, witness={"account": account, "verifier_key": verifier_key})
        for agency, (account, verifier_key) in keys.items()
    ]
    founding = {"agencies": agencies, "quorum": quorum, "development": quorum == 0}
    log_key = LOG_SIGNER.verifying_key.vkey()
    read = read_founding(msgspec.json.encode(founding))
    return Installation(FORMAT, "0x" + "07" * 32, log_key, SERVICE.key_id, key_id("submitter"), read)


@pytest.mark.parametrize("quorum", [0, 2])
def test_the_trust_file_asks_for_the_contracts_quorum(tmp_path: Path, quorum: int) -> None:
    """What is written parses to what the service goes by, names the contracts, and asks for that many witnesses."""
    holder = TrustHolder(DataDirectory(tmp_path), installation(quorum=quorum), 0)
    holder.deployed(trusted_chain(DEPLOYMENT, holder.finality))
    trust = parse_trust(DataDirectory(tmp_path).trust.read_bytes())
    assert trust == holder.trust
    assert trust.development is (quorum == 0)
    assert [chain.anchor for chain in trust.chains] == [DEPLOYMENT.anchor]
    keys = [witness.verifying_key for witness in WITNESSES.values()]
    assert trust.policy.is_met_by(keys[:quorum])
    assert quorum == 0 or not trust.policy.is_met_by(keys[: quorum - 1])


def test_the_trust_file_names_the_timestamp_authority(tmp_path: Path) -> None:
    """With the contracts and before them: verifiers get the root that the service goes by."""
    root = new_authority(tmp_path / "tsa").root
    holder = TrustHolder(DataDirectory(tmp_path), installation(quorum=0), 0, (root,))
    assert holder.trust.timestamp_roots == (root,)
    holder.deployed(trusted_chain(DEPLOYMENT, holder.finality))
    assert parse_trust(DataDirectory(tmp_path).trust.read_bytes()).timestamp_roots == (root,)
