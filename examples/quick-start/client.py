"""Offer and accept: SENDER=AGENCY/OFFICER SENDER_KEY=KEYSTORE RECEIVER=... client.py URL CASE ITEM TRUST.json."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from ledger.client.officer import AsyncOfficerClient, Officer, OfficerClient
from ledger.config.keys import open_keystore
from ledger.core.trust.trust_file import parse_trust

url, case_id, item_id, trust_file = sys.argv[1:]
trust = parse_trust(Path(trust_file).read_bytes())


def officer(name):
    signer = open_keystore(Path(os.environ[f"{name}_KEY"]), os.environ["PASSPHRASE"])
    return Officer(*os.environ[name].split("/"), signer)


async def accept(handover_id):
    async with AsyncOfficerClient(url, officer("RECEIVER"), trust) as client:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        answer = {"handover_id": handover_id, "received_at": now, "rest_as_listed": True}
        receipt = await client.record(case_id, "handover.accepted", **answer)
        print([row["status"] async for row in client.pages("/api/v1/handovers", "handovers", box="inbox")])
        print((await client.verified(receipt["event_id"])).verdict)


with OfficerClient(url, officer("SENDER"), trust) as client:
    offer = {"handover_id": "handover-1", "purpose": "prosecution_review", "items": [{"item_id": item_id}]}
    client.record(case_id, "handover.offered", to_agency=os.environ["RECEIVER"].split("/")[0], **offer)
asyncio.run(accept("handover-1"))
