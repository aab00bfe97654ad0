"""The bare echo: FastAPI that gives the JSON back, without signature and database.

python -m scripts.bench.server_echo PORT DATABASE_URL
"""

from __future__ import annotations

import sys
from typing import Any

import uvicorn
from fastapi import FastAPI

app = FastAPI()


@app.post("/api/v1/events")
async def submit(body: dict[str, Any]) -> dict[str, Any]:
    return body


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), loop="uvloop", http="httptools", access_log=False)
