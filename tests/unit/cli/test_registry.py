"""Agencies, keys and decisions of admins on the command line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.messages import encode_typed_data

from ledger.cli.errors import Exit
from ledger.core.encoding import canonical
from tests.testkit.builders import POLICE, founder
from tests.testkit.tally import Tally
from tests.unit.chain.external import running_anvil
from tests.unit.cli.world import UNTIL, World, service_of


def test_admin_signs_only_at_the_trusted_contract(world: World, tmp_path: Path) -> None:
    """With a trust file that names another registry, what the service prepares is not signed."""
    trust = tmp_path / "trust.json"
    world.run("log", "trust", "-o", trust)
    document = json.loads(trust.read_bytes())
    document["chains"][0]["registry"] = "0x" + "22" * 20
    trust.write_bytes(canonical.encode(document))
    key = ("--key", "admin-police-east", "--passphrase-file", world.tally.passphrase_file)
    who = ("--agency", "police-east", "--officer", "admin", *key, "--trust", trust, "--replace")
    world.tally.ok("profile", "add", "wary", "--url", world.url, *who)
    terms = ("--officer", "p-1001", "--role", "clerk", "--until", UNTIL)
    done = world.run("key", "grant", world.tally.new_key("wary-key"), *terms, profile="wary")
    assert (done.status, "trust file names another registry" in done.err) == (Exit.REFUSED, True)


def test_a_grant_of_no_file_names_what_is_expected(world: World) -> None:
    """The argument has its name, and who makes the file is said."""
    done = world.run("key", "grant", "team", "--role", "clerk", "--until", UNTIL, profile="admin-police-east")
    assert done.status == 2
    assert "KEY: expected the file of a request, or the id of a key, not team" in done.err
    assert "tally key request -o FILE" in done.err


def test_revoked_key_signs_nothing_more(world: World) -> None:
    """Once the log has the revocation, the key is refused; what it signed before stays. The registry is as the log has
    it: agencies with their names, keys with officer and roles."""
    assert {"police-east", "procuratorate-east"} <= {agency["agency_id"] for agency in world.ok("agency", "list")}
    shown = world.ok("agency", "show", "police-east")
    assert ("p-0417", ["clerk"]) in [(key["officer"], key["roles"]) for key in shown["keys"]]
    assert "police-east机关" in world.run("agency", "show", "police-east", "--lang", "zh-CN").out
    key_id = world.grant("leaver", "police-east", "p-0999", "clerk")
    keys = "/api/v1/agencies/police-east/keys"
    world.wait(keys, lambda answer: key_id in [key["key_id"] for key in answer["keys"]])
    case_id = world.ok("case", "open", "--number", "L", "--type", "theft", profile="leaver")["case_id"]
    world.ok("key", "revoke", key_id, profile="admin-police-east")
    world.wait(keys, lambda answer: any(key["key_id"] == key_id and key["revoked"] for key in answer["keys"]))
    world.refuses(Exit.REFUSED, "key_revoked", "case", "open", "--number", "M", "--type", "theft", profile="leaver")
    assert world.ok("case", "show", case_id)["opened_by"] == "police-east"


def test_who_revokes_a_key_learns_that_it_did_not_happen(tmp_path: Path) -> None:
    """Where his account cannot pay the chain: each time he tries, with the reason and what to do, and so does
    the operator, from the page of his service. Once there is currency, the service sends it by itself."""
    with running_anvil() as anvil:
        world = World(tmp_path, chain=anvil.url, chain_id=31337, finality=0)
        world.found()
        anvil.fund(json.loads((world.data / "installation.json").read_bytes())["submitter"])
        with service_of(world):
            world.wait("/api/v1/chain", bool)
            admin, keys = f"admin-{POLICE}", f"/api/v1/agencies/{POLICE}/keys"
            world.tally.add_profile(admin, world.url, POLICE, "admin", admin)
            account = world.tally.ok("key", "show", admin)["key_id"]
            anvil.fund(account)
            key_id = world.grant("stolen", POLICE, "p-0417", "clerk")
            world.wait(keys, lambda answer: answer["keys"])
            anvil.fund(account, coins=0)
            for _ in range(2):
                done = world.refuses(Exit.REFUSED, "Insufficient funds", "key", "revoke", key_id, profile=admin)
                assert f"Send the account {account} the chain's currency" in done.err
            world.ok("case", "open", "--number", "L", "--type", "theft", profile="stolen")
            page = world.http.get("/console/operation").text
            assert "A key that it revokes signs on." in page
            assert account not in page, "a visitor is not told whose change waits"
            anvil.fund(account)
            world.wait(keys, lambda answer: answer["keys"][0]["revoked"])
            world.refuses(Exit.REFUSED, "revoked", "case", "open", "--number", "M", "--type", "theft", profile="stolen")


def test_an_admin_hands_over_to_the_next(world: World) -> None:
    """Only who was proposed accepts, and only the admin proposes; from then on the new one grants and the old one does
    not. The log mirrors it, and the way back is the same."""
    former = world.tally.ok("key", "show", "admin-police-east")["key_id"]
    key_id = world.tally.new_key("heir")
    world.tally.add_profile("heir", world.url, "police-east", "heir", "heir")
    world.refuses(Exit.REFUSED, "NotProposedAdmin", "agency", "accept-admin", "police-east", profile="heir")
    assert "NotAdmin" in world.run("agency", "propose-admin", key_id).err
    world.refuses(Exit.USAGE, "ACCOUNT", "agency", "propose-admin", key_id.upper(), profile="admin-police-east")
    world.refuses(Exit.USAGE, "AGENCY_ID", "agency", "accept-admin", "Police East", profile="heir")
    terms = ("--officer", "p-1002", "--role", "clerk", "--until", UNTIL)
    for old, new, account in (("admin-police-east", "heir", key_id), ("heir", "admin-police-east", former)):
        world.ok("agency", "propose-admin", account, profile=old)
        assert world.ok("agency", "show", "police-east")["admin"] != account
        world.ok("agency", "accept-admin", "police-east", profile=new)
        world.wait("/api/v1/agencies/police-east", lambda agency, admin=account: agency["admin"] == admin)
        world.refuses(Exit.REFUSED, "NotAdmin", "key", "grant", world.tally.new_key(f"late-{old}"), *terms, profile=old)
        world.ok("key", "grant", world.tally.new_key(f"by-{new}"), *terms, profile=new)


def test_what_the_contract_would_not_count_is_not_signed(world: World, tmp_path: Path) -> None:
    """A clerk's approval, and the admin of another agency as the next one, are refused before anything is signed."""
    proposal, approval = tmp_path / "proposal.json", tmp_path / "approval.json"
    world.run("registry", "propose", "quorum", "1", "--replace", "-o", proposal, profile="admin-police-east")
    world.refuses(Exit.REFUSED, "not_an_admin", "registry", "approve", proposal, "--yes", "--replace", "-o", approval)
    assert not approval.exists()
    procuratorate_key = world.tally.ok("key", "show", "admin-procuratorate-east")["key_id"]
    world.refuses(
        Exit.REFUSED, "admin_taken", "agency", "propose-admin", procuratorate_key, profile="admin-police-east"
    )


def test_only_the_admin_grants(world: World) -> None:
    """The registry refuses a clerk's grant; an empty period is refused before anything is asked."""
    key_id = world.tally.new_key("stranger")
    terms = ("--officer", "p-1000", "--role", "clerk")
    world.refuses(Exit.REFUSED, "NotAdmin", "key", "grant", key_id, *terms, "--until", UNTIL)
    done = world.run("key", "grant", key_id, *terms, "--until", "2020-01-01", profile="admin-police-east")
    assert (done.status, "--until" in done.err) == (Exit.USAGE, True)
    world.refuses(Exit.USAGE, "KEY_ID", "key", "revoke", "0x12", profile="admin-police-east")


class Elsewhere:
    """An officer of the police on a machine of his own, with a key that nobody granted yet."""

    def __init__(self, world: World, folder: Path, officer: str):
        self.tally = Tally(folder)
        self.key_id = self.tally.new_key("own")
        self.tally.add_profile("own", world.url, "police-east", officer, "own")

    def request(self, *words: str) -> Path:
        """Write the request file that his machine makes."""
        file = self.tally.folder / "request.json"
        self.tally.ok("key", "request", *words, "--replace", "-o", file)
        return file


def test_officer_asks_on_his_machine_and_the_admin_grants_on_his(world: World, tmp_path: Path) -> None:
    """A file goes from one to the other: it names key and officer, the admin adds roles and period. Only for the
    officer and the key that asked, and only where the key lies or its request does."""
    elsewhere = Elsewhere(world, tmp_path, "p-1101")
    file, terms = elsewhere.request(), ("--role", "clerk", "--until", UNTIL)
    done = world.run("key", "grant", elsewhere.key_id, "--officer", "p-1101", *terms, profile="admin-police-east")
    assert (done.status, "tally key request" in done.err) == (Exit.USAGE, True)
    done = world.run("key", "grant", file, "--officer", "p-1102", *terms, profile="admin-police-east")
    assert (done.status, "p-1101, not p-1102" in done.err) == (Exit.USAGE, True)
    world.refuses(Exit.USAGE, "--officer", "key", "grant", "0x" + "12" * 20, *terms, profile="admin-police-east")
    world.ok("key", "grant", file, *terms, profile="admin-police-east")
    keys = world.wait(
        "/api/v1/agencies/police-east/keys",
        lambda answer: elsewhere.key_id in [key["key_id"] for key in answer["keys"]],
    )["keys"]
    granted = next(key for key in keys if key["key_id"] == elsewhere.key_id)
    assert (granted["officer"], granted["roles"]) == ("p-1101", ["clerk"])


def test_request_is_for_the_agency_that_was_asked(world: World, tmp_path: Path) -> None:
    """Another agency's admin is told so, a file that is edited to his agency is not signed by the key, and neither is
    sent; a request to the registry of another ledger is refused too."""
    file, terms = Elsewhere(world, tmp_path, "p-1103").request(), ("--role", "clerk", "--until", UNTIL)
    done = world.run("key", "grant", file, *terms, profile="admin-procuratorate-east")
    assert (done.status, "for police-east, not for procuratorate-east" in done.err) == (Exit.USAGE, True)
    written = json.loads(file.read_text())
    file.write_text(json.dumps(written | {"agency": "procuratorate-east"}))
    done = world.run("key", "grant", file, *terms, profile="admin-procuratorate-east")
    assert (done.status, "not signed by the key" in done.err) == (Exit.REFUSED, True)
    file.write_text(json.dumps(written | {"log_id": "0x" + "00" * 32}))
    world.refuses(Exit.REFUSED, "of another ledger", "key", "grant", file, *terms, profile="admin-police-east")


def test_key_in_a_wallet_asks_by_typed_data(world: World, tmp_path: Path) -> None:
    """What 'key request --wallet' prints is a document that any wallet signs; its signature makes the same file."""
    elsewhere, wallet = Elsewhere(world, tmp_path, "p-1104"), Account.create()
    address = wallet.address.lower()
    document = elsewhere.tally.ok("key", "request", "--wallet", address)
    signature = wallet.sign_message(encode_typed_data(full_message=document)).signature
    refused = elsewhere.tally("key", "request", "--wallet", elsewhere.key_id, "--signature", signature.to_0x_hex())
    assert (refused.status, "not signed by the key" in refused.err) == (Exit.REFUSED, True)
    for words in (("--signature", "0x12"), ("--wallet", address, "--signature", "none")):
        assert elsewhere.tally("key", "request", *words).status == Exit.USAGE
    file = elsewhere.request("--wallet", address, "--signature", signature.to_0x_hex())
    world.ok("key", "grant", file, "--role", "clerk", "--until", UNTIL, profile="admin-police-east")


def test_what_an_agency_lacks_is_shown_with_its_commands(world: World) -> None:
    """Its own agency's steps by default, those of another by its id; commands stand below, by the machine."""
    done = world.run("agency", "setup", "--officer", "p-0500", profile="admin-procuratorate-east")
    assert done.status == 0, done.err
    assert "A procedure is adopted" in done.out
    assert "police-east" not in done.out
    answer = world.ok("agency", "setup", "police-east", "--officer", "p-0500", profile="admin-procuratorate-east")
    (police,) = answer["agencies"]
    lacking = [step for step in police["steps"] if step["state"] in {"missing", "optional"}]
    assert any("p-0500" in row["command"] for step in lacking for row in step["commands"])
    world.refuses(Exit.USAGE, "--officer", "agency", "setup", "--officer", "P 1", profile="admin-police-east")
    world.refuses(Exit.REFUSED, "no agency", "agency", "setup", "tax-office", profile="admin-police-east")


def test_agency_is_admitted_by_a_majority(world: World, tmp_path: Path) -> None:
    """One admin proposes, both approve what they read in words, and the agency is in; one of two is no majority."""
    file, proposal = tmp_path / "court.json", tmp_path / "proposal.json"
    court = founder("court-east", name={"en": "East Court", "zh": "东城法院"})
    file.write_text(json.dumps(court), encoding="utf-8")
    done = world.run("registry", "propose", "agency", file, "--replace", "-o", proposal, profile="admin-police-east")
    assert "Admit the agency court-east (东城法院 / East Court): court" in done.err, done.err
    approvals = []
    for agency in ("police-east", "procuratorate-east"):
        approval = tmp_path / f"{agency}.json"
        done = world.run(
            "registry", "approve", proposal, "--yes", "--replace", "-o", approval, profile=f"admin-{agency}"
        )
        assert "Admit the agency court-east" in done.err
        approvals.append(approval)
    done = world.run("registry", "send", proposal, "--approval", approvals[0], profile="admin-police-east")
    assert (done.status, "MajorityMissing" in done.err) == (Exit.REFUSED, True)
    both = [word for approval in approvals for word in ("--approval", str(approval))]
    world.ok("registry", "send", proposal, *both, profile="admin-police-east")
    world.wait("/api/v1/agencies", lambda answer: "court-east" in [row["agency_id"] for row in answer["agencies"]])
    world.wait("/api/v1/chain", lambda chain: chain["decision_count"] == 1)  # told from when the chain was last seen
    world.refuses(Exit.REFUSED, "decision_made", "registry", "approve", proposal, "--yes", profile="admin-police-east")


def test_procedure_is_adopted_by_a_majority(world: World, tmp_path: Path) -> None:
    """Two admins approve the digest that they read in words; the log mirrors the change of that number. A digest that
    is zero is refused by the contract."""
    digest, proposal = "blake3:" + "5f" * 32, tmp_path / "proposal.json"
    admins = [f"admin-{agency}" for agency in ("police-east", "procuratorate-east")]

    def decided(digest: str) -> list[str]:
        world.run("registry", "propose", "procedure", digest, "--replace", "-o", proposal, profile=admins[0])
        for admin in admins:
            done = world.run(
                "registry", "approve", proposal, "--yes", "--replace", "-o", tmp_path / admin, profile=admin
            )
            assert f"Adopt the procedure {digest}" in done.err
        approvals = [word for admin in admins for word in ("--approval", str(tmp_path / admin))]
        return ["registry", "send", str(proposal), *approvals]

    refusal = world.run(*decided("blake3:" + "00" * 32), profile=admins[0])
    assert (refusal.status, "ProcedureZero" in refusal.err) == (Exit.REFUSED, True)
    before = world.ok("registry", "show")
    world.ok(*decided(digest), profile=admins[0])
    world.wait("/api/v1/chain", lambda chain: chain["decision_count"] == before["decision_count"] + 1)

    def adopted(mirror: Any) -> list[Any]:
        bodies = [entry["payload"]["body"] for entry in mirror["entries"]]
        return [body["number"] for body in bodies if body.get("digest") == digest]

    mirror = world.wait("/api/v1/registry", adopted)
    assert adopted(mirror) == [before["change_count"] + 1]


def test_proposal_names_the_argument_that_is_of_another_form(tally: Tally) -> None:
    """What was typed is refused with the argument's name and the form that was expected, before anybody is asked."""
    account = "0x" + "12" * 20
    for words in (("submitter", account.upper()), ("witness", "police-east", "0x12")):
        tally.refuses(Exit.USAGE, "ACCOUNT: expected ", "registry", "propose", *words)
    for words in (("witness", "Police", account), ("no-witness", "Police")):
        tally.refuses(Exit.USAGE, "AGENCY_ID: expected ", "registry", "propose", *words)
    tally.refuses(Exit.USAGE, "DIGEST: expected ", "registry", "propose", "procedure", "sha256:" + "5f" * 32)


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("witness", "police-east", "0x" + "12" * 20), "Set the witness of police-east to the account 0x1212"),
        (("no-witness", "police-east"), "Remove the witness of police-east."),
        (("quorum", "2"), "Ask for the co-signatures of 2 agencies' witnesses under each anchor (now: 0)."),
        (("submitter", "0x" + "12" * 20), "Let the account 0x1212121212121212121212121212121212121212 anchor."),
        (("submitter", "0x" + "12" * 20, "--bar"), "anchor no more."),
        (("procedure", "blake3:" + "5f" * 32), "Adopt the procedure blake3:5f5f"),
    ],
)
def test_each_decision_is_told_in_words_before_it_is_signed(
    world: World, tmp_path: Path, words: tuple[str, ...], sentence: str
) -> None:
    """What it does, its number and contract stand in one sentence; without a terminal nothing is signed unasked."""
    proposal = tmp_path / "proposal.json"
    world.run("registry", "propose", *words, "--replace", "-o", proposal, profile="admin-police-east")
    done = world.tally("registry", "approve", proposal, profile="admin-procuratorate-east", agrees=False)
    assert (done.status, "--yes" in done.err, sentence in done.err) == (Exit.USAGE, True, True), done.err
    assert "of the registry 0x" in done.err
    chinese = world.run("registry", "approve", proposal, "--yes", "--lang", "zh-CN", profile="admin-police-east")
    assert (chinese.status, "号决定" in chinese.err) == (Exit.OK, True)


def test_an_approval_counts_for_the_proposal_that_was_read_and_no_other(world: World, tmp_path: Path) -> None:
    """A proposal that is edited after it was approved is refused before it is sent, and so is one of another ledger."""
    proposal, approval = tmp_path / "proposal.json", tmp_path / "approval.json"
    world.run("registry", "propose", "quorum", "1", "--replace", "-o", proposal, profile="admin-police-east")
    world.run("registry", "approve", proposal, "--yes", "--replace", "-o", approval, profile="admin-police-east")
    written = json.loads(proposal.read_text())
    proposal.write_text(json.dumps(written | {"decision": {"decide": "set_quorum", "quorum": 2}}))
    world.refuses(Exit.REFUSED, "not for this proposal", "registry", "send", proposal, "--approval", approval)
    proposal.write_text(json.dumps(written | {"log_id": "0x" + "00" * 32}))
    assert world.run("registry", "approve", proposal, "--yes", profile="admin-police-east").status == Exit.REFUSED
    assert world.ok("registry", "show")["quorum"] == 0
