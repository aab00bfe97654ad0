"""The naive design: FastAPI, rfc8785, eth_account, one ORM transaction a request. No custody rules, no proof.

Beside it a bare echo, at /echo: FastAPI that gives the JSON back, without signature and database.

python -m scripts.bench.server_naive PORT DATABASE_URL
"""

from __future__ import annotations

import sys
from typing import Any

import rfc8785
import uvicorn
from blake3 import blake3
from eth_account import Account
from eth_account.messages import encode_typed_data
from fastapi import FastAPI, HTTPException
from sqlalchemy import event
from sqlmodel import Field, Session, SQLModel, create_engine

from ledger.core.events import decode_envelope
from ledger.core.signing.signatures import typed_data
from scripts.campaigns.casework import LOG_ID


class NaiveEntry(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    event_id: str = Field(unique=True)
    case_id: str = Field(index=True)
    sequence: int
    digest: str
    body: bytes


app = FastAPI()
engine = create_engine(sys.argv[2], pool_size=64, connect_args={"check_same_thread": False})


@event.listens_for(engine, "connect")
def durable(connection: Any, _record: Any) -> None:
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "busy_timeout=30000"):
        connection.execute(f"PRAGMA {pragma}")


@app.post("/api/v1/events", status_code=201)
def submit(body: dict[str, Any]) -> dict[str, Any]:
    envelope, payload = body["envelope"], rfc8785.dumps(body["payload"])
    if envelope["payload_digest"] != "blake3:" + blake3(payload).hexdigest():
        raise HTTPException(400, "digest")
    document = typed_data(decode_envelope(rfc8785.dumps(envelope)), LOG_ID)
    signer = Account.recover_message(encode_typed_data(full_message=document), signature=envelope["signature"])
    if signer.lower() != envelope["key_id"]:
        raise HTTPException(403, "signature")
    entry = NaiveEntry(
        event_id=envelope["event_id"],
        case_id=envelope["stream"]["id"],
        sequence=envelope["sequence"],
        digest=envelope["payload_digest"],
        body=payload,
    )
    with Session(engine) as session:
        session.add(entry)
        session.commit()
        session.refresh(entry)
    return {"index": entry.id, "event_id": entry.event_id}


@app.get("/healthz")
def is_ready() -> None:
    """Answer that the server is ready, as the benchmark asks before it loads a server."""


@app.post("/echo")
async def echo(body: dict[str, Any]) -> dict[str, Any]:
    return body


if __name__ == "__main__":
    SQLModel.metadata.create_all(engine)
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False)
