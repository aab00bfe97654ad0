"""The witness as a process: keys, run, its two routes by HTTP, status, and what it exits with."""

from __future__ import annotations

import json
from pathlib import Path

from ledger.core.checkpoint import verify_cosignatures
from ledger.core.note import parse_vkey
from ledger.core.signature import recover
from tests.witness.running import running, settle, tally
from tests.witness.stand import CLERK, Stand


def test_a_witness_runs_signs_and_tells(stand: Stand, tmp_path: Path) -> None:
    """From keys to both signatures over HTTP; statuses as C2SP has them; `tally witness status` says the rest."""
    settle(stand, tmp_path)
    stand.open_cases(5, CLERK)
    with running(stand, tmp_path) as witness:
        asked = stand.log.wish(0)
        signed = witness.add(asked)
        assert signed.status_code == 200, signed.text
        vkey = parse_vkey((tmp_path / "witness/keys/note.pem").read_text().partition("\n")[0])
        assert len(verify_cosignatures(asked.note + signed.text, [vkey])) == 1

        size = len(stand.log.events)
        again = witness.add(asked)
        assert (again.status_code, again.text) == (409, f"{size}\n")
        assert again.headers["content-type"] == "text/x.tlog.size"
        assert witness.add(stand.log.wish(size)).status_code == 200

        wish = stand.wish_for_anchor()
        cosigned = witness.cosign(wish)
        assert cosigned.status_code == 200, cosigned.text
        told = cosigned.json()
        assert recover(stand.digest_of(wish), bytes.fromhex(told["signature"][2:])) == told["account"]
        assert witness.status()["health"] == "watching"
        assert "health: watching\n" in witness.client.get(f"{witness.url}/status.txt").text
    done = tally(tmp_path, "witness", "status", "--trust", str(tmp_path / "trust.json"))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["cosigned_size"] == size
