"""The witness as a process: keys, run, its routes, status, exit codes."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

from ledger.cli.errors import Exit
from ledger.core.log.checkpoints import verify_cosignatures
from ledger.core.log.notes import parse_vkey
from ledger.core.signing.signatures import recover
from ledger.core.trust.trust_file import encode_trust
from ledger.store.witness import WitnessStore
from tests.testkit import bundles
from tests.testkit.machine import free_port
from tests.unit.witness.running import running, settle, tally
from tests.unit.witness.stand import CLERK, Stand


def test_a_witness_runs_signs_and_tells(stand: Stand, tmp_path: Path) -> None:
    """From keys to both signatures over HTTP; statuses as C2SP has them; `tally witness status` says the rest."""
    settle(stand, tmp_path)
    stand.open_cases(5, CLERK)
    with running(stand, tmp_path) as witness:
        asked = stand.log.wish(0)
        signed = witness.add(asked)
        assert signed.status_code == 200, signed.text
        files = (tmp_path / "witness" / "keys" / name for name in ("note.pem", "note-ml-dsa-44.pem"))
        keys = [parse_vkey(file.read_text().partition("\n")[0]) for file in files]
        assert len(verify_cosignatures(asked.note + signed.text, keys)) == 2

        size = len(stand.log.events)
        again = witness.add(asked)
        assert (again.status_code, again.text) == (409, f"{size}\n")
        assert again.headers["content-type"] == "text/x.tlog.size"
        assert witness.add(stand.log.wish(size)).status_code == 200

        wish = stand.wish_for_anchor()
        cosigned = witness.cosign(wish)
        assert cosigned.status_code == 200, cosigned.text
        answer = cosigned.json()
        assert recover(stand.digest_of(wish), bytes.fromhex(answer["signature"][2:])) == answer["account"]
        assert witness.status()["health"] == "watching"
        assert "health: watching\n" in witness.client.get(f"{witness.url}/status.txt").text
    done = tally(tmp_path, "witness", "status")
    assert done.status == 0, done.err
    assert json.loads(done.out)["cosigned_size"] == size


def test_a_witness_tells_metrics_where_it_is_told_to(stand: Stand, tmp_path: Path) -> None:
    """At a port of their own: how far it has come, and what it was asked, by route and by code of the refusal."""
    settle(stand, tmp_path)
    stand.open_cases(3, CLERK)
    port = free_port()
    with running(stand, tmp_path, METRICS_PORT=port) as witness:
        assert witness.add(stand.log.wish(0)).status_code == 200
        assert witness.client.post(f"{witness.url}/add-checkpoint", content=b"").status_code == 400
        assert witness.client.get(f"{witness.url}/metrics").status_code == 404
        text = witness.client.get(f"http://127.0.0.1:{port}/metrics").text
    size = len(stand.log.events)
    for line in (
        'tallystick_witness_health{state="watching"} 1.0',
        "tallystick_witness_node_reachable 1.0",
        f"tallystick_witness_followed_entries {size:.1f}",
        f"tallystick_witness_cosigned_entries {size:.1f}",
        'tallystick_requests_total{method="POST",route="/add-checkpoint",status="200"} 1.0',
        'tallystick_refusals_total{code="malformed_input",status="400"} 1.0',
    ):
        assert line in text.splitlines(), text


def test_commands_tell_what_the_operator_must_know(stand: Stand, tmp_path: Path) -> None:
    """Before it runs, while nobody looks, when it has halted, and after the operator has decided."""
    settle(stand, tmp_path)
    assert tally(tmp_path, "witness", "key", "witness.test/w9", "--keep-passphrase").status == Exit.USAGE
    none = tally(tmp_path, "witness", "status")
    assert (none.status, "tally witness run" in none.err) == (Exit.USAGE, True)
    none = tally(tmp_path, "witness", "run", "--listen", f"127.0.0.1:{free_port()}")
    assert (none.status, "or name it by --trust or TALLYSTICK_WITNESS_TRUST." in none.err) == (Exit.USAGE, True)

    store = WitnessStore.open(tmp_path / "witness" / "witness.db", stand.trust)
    assert tally(tmp_path, "witness", "status").status == Exit.UNREACHABLE
    store.keep_look(time.time_ns() // 1_000_000 + 3_600_000, 0)  # fresh, however long the commands take
    for kind, halts, status in (
        ("anchor_lag", False, Exit.NOT_YET_ANCHORED),
        ("unreadable", False, Exit.UNVERIFIABLE),
        ("fork", True, Exit.REFUSED),
    ):
        store.raise_alarm(kind, halts=halts, text="told", evidence={"checkpoint": "note"}, now=1)
        assert tally(tmp_path, "witness", "status").status == status
    shown = tally(tmp_path, "witness", "status", shared=("--lang", "zh-CN")).out
    for words in ("状态  ", "已停止联署", "上次查看  ", "日志分叉", "待处理的告警"):
        assert words in shown, shown
    assert re.search(r"上次查看 +20\d\d-", shown), shown
    assert not re.search("[a-z]_[a-z]", shown), shown
    assert "1970" not in shown.partition("待处理的告警")[0]
    listed = json.loads(tally(tmp_path, "witness", "alarms").out)
    assert [(alarm["number"], alarm["kind"]) for alarm in listed] == [(1, "anchor_lag"), (2, "unreadable"), (3, "fork")]
    assert listed[2]["evidence"] == {"checkpoint": "note"}
    because = ("--because", "all others have the same tree")
    assert tally(tmp_path, "witness", "clear", "9", *because).status == Exit.REFUSED
    assert tally(tmp_path, "witness", "clear", "3", *because).status == 0
    assert tally(tmp_path, "witness", "status").status == Exit.UNVERIFIABLE
    every = json.loads(tally(tmp_path, "witness", "alarms", "--all").out)
    assert every[2]["because"] == "all others have the same tree"
    store.close()


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    """Keys, trust file, URLs and the address: each by its option, with exit code 2."""
    trust = tmp_path / "trust.json"
    trust.write_bytes(encode_trust(bundles.trust()))
    run = ("witness", "run", "--trust", str(trust), "--listen", f"127.0.0.1:{free_port()}")
    assert "tally witness key" in usage(tmp_path, *run)
    tally(tmp_path, "witness", "key", "witness.test/w9", "--keep-passphrase", "--light")
    assert "--log" in usage(tmp_path, *run)
    assert "log_url" in usage(tmp_path, *run, "--log", "ftp://ledger")
    assert "--rpc" in usage(tmp_path, *run, "--log", "http://127.0.0.1:9")
    assert "--trust" in usage(tmp_path, "witness", "run", "--log", "http://127.0.0.1:9")
    assert "--listen" in usage(tmp_path, "witness", "run", "--listen", "8430")


def usage(folder: Path, *arguments: str) -> str:
    """What a command says that cannot run so."""
    done = tally(folder, *arguments)
    assert done.status == Exit.USAGE, done.err
    return done.err
