"""Sign in, offer, accept, verify: SENDER_KEY=0x... RECEIVER_KEY=0x... python quick_start.py URL CASE ITEM AGENCY."""

import os
import sys
from datetime import UTC, datetime

import httpx
from eth_account import Account
from eth_account.messages import encode_defunct, encode_typed_data
from verify import require_logged

url, case_id, item_id, agency = sys.argv[1:]


def post(path, body, **headers):
    answer = httpx.post(f"{url}/api/v1/{path}", json=body, headers=headers)
    return answer.json() if answer.is_success else sys.exit(answer.text)  # the text names the field and what to do


def record(key, event_type, **body):
    officer = Account.from_key(key)
    challenge = post("sign-in/challenge", {"key_id": officer.address.lower()})
    proof = officer.sign_message(encode_defunct(text=challenge["message"])).signature
    token = post("sign-in/token", {"nonce": challenge["nonce"], "signature": f"0x{proof.hex()}"})["access_token"]
    act = {"event_type": event_type, "stream": {"kind": "case", "id": case_id}, "body": body}
    draft = post("drafts", act, authorization=f"Bearer {token}")
    print(draft["sentence"], *(flag["label"] for flag in draft["flags"]))  # what is signed
    signature = officer.sign_message(encode_typed_data(full_message=draft["typed_data"])).signature
    draft["submission"]["envelope"]["signature"] = f"0x{signature.hex()}"
    require_logged(draft["submission"]["envelope"], post("events", draft["submission"]), draft["typed_data"])
    return draft["submission"]["payload"]["body"]


items, purpose = [{"item_id": item_id}], "prosecution_review"
offer = record(os.environ["SENDER_KEY"], "handover.offered", to_agency=agency, purpose=purpose, items=items)
now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
answer = {"handover_id": offer["handover_id"], "received_at": now, "rest_as_listed": True}
record(os.environ["RECEIVER_KEY"], "handover.accepted", **answer)
