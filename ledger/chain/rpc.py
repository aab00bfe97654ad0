"""JSON-RPC 2.0 over HTTP: a result, or one of our errors that says what the node did.

A whole exchange is bounded in time, and an answer in size; no error shows the URL, which may hold a secret. Nothing is
retried here: a request that failed may have had its effect.
"""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

import httpx
import msgspec

from ledger.chain.errors import ChainUnavailable, RpcRefused
from ledger.core.errors import MalformedInput
from ledger.core.messages import Message
from ledger.tls import tls_context

LIMIT_EXCEEDED = -32005  # EIP-1474
MAX_RESPONSE = 256 * 1024 * 1024  # bytes
MAX_RETRY_AFTER = 3600  # seconds


class JsonRpc:
    """One endpoint. Threads may share it. Raises MalformedInput for a URL of another form."""

    def __init__(
        self,
        url: str,
        *,
        timeout_seconds: float = 10.0,  # of a whole exchange, however slowly the node sends
    ):
        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise MalformedInput("not a URL of a chain node: {error}", error=error, field="chain_url") from error
        if self._url.scheme not in {"http", "https"} or not self._url.host:
            raise MalformedInput("a chain node's URL begins with http:// or https://", field="chain_url")
        self._timeout_seconds = timeout_seconds
        self._ids = itertools.count(1)
        self._client = httpx.Client(
            timeout=timeout_seconds,
            verify=tls_context()
            if self._url.scheme == "https"
            else False,  # plain HTTP need not load the machine's certificates
            # No proxy is asked for a node on this machine.
            trust_env=not (self._url.host in {"localhost", "::1"} or self._url.host.startswith("127.")),
        )

    @property
    def name(self) -> str:
        """Return host and port; the rest of the URL may hold a secret."""
        return self._url.netloc.decode()

    def close(self) -> None:
        self._client.close()

    def call(self, method: str, *params: Any, timeout_seconds: float | None = None) -> Any:
        """Return the result of one call. Raises RpcRefused, Unavailable."""
        number = next(self._ids)
        answer = self._exchange(_message(number, method, params), timeout_seconds)
        return self._result(answer, number, method)

    def batch(self, requests: Sequence[tuple[str, Any]]) -> list[Any]:
        """Return the results in the order of ``requests``: methods that only read, and their parameters.

        Nodes may mine batched writes together.
        """
        if not requests:
            return []
        numbered = [(next(self._ids), *request) for request in requests]
        answer = self._exchange([_message(*request) for request in numbered], None)
        if not isinstance(answer, list):
            self._result(answer, None, "batch")
            self._garbled("one answer to a batch")
        # A node may answer a batch in any order.
        by_id = {entry.get("id"): entry for entry in answer if isinstance(entry, dict)}
        return [self._result(by_id.get(number), number, method) for number, method, _ in numbered]

    def _exchange(self, message: object, timeout_seconds: float | None) -> Any:
        timeout_seconds = timeout_seconds or self._timeout_seconds
        deadline = time.monotonic() + timeout_seconds
        try:
            with self._client.stream(
                "POST",
                self._url,
                content=json.dumps(message),  # refuses bytes, which msgspec would send as Base64
                headers={"Content-Type": "application/json"},
                timeout=timeout_seconds,
            ) as response:
                body = b"".join(self._bounded(response, deadline))
        except httpx.TimeoutException as error:
            raise self._unavailable("did not answer in time", "chain_timeout") from error
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            refusal = self._unavailable("cannot be reached", "chain_unreachable")
            refusal.add_note(str(error))
            raise refusal from error
        if response.status_code == httpx.codes.TOO_MANY_REQUESTS:
            raise self._rate_limited(response.headers.get("Retry-After", ""))
        try:
            return msgspec.json.decode(body)
        except (msgspec.DecodeError, RecursionError) as error:
            status = response.status_code
            if status >= httpx.codes.INTERNAL_SERVER_ERROR:
                raise self._unavailable(f"answers with HTTP status {status}", "chain_unreachable") from error
            raise self._unavailable(f"answers with no JSON (HTTP status {status})", "chain_garbled") from error

    def _bounded(self, response: httpx.Response, deadline: float) -> Iterator[bytes]:
        received = 0
        for chunk in response.iter_bytes():
            received += len(chunk)
            # Checked while reading: httpx timeouts restart with each chunk, and a body could fill the memory.
            if received > MAX_RESPONSE:
                raise self._unavailable(f"answers with more than {MAX_RESPONSE} bytes", "chain_too_large")
            if time.monotonic() > deadline:
                raise self._unavailable("did not finish its answer in time", "chain_timeout")
            yield chunk

    def _result(self, answer: Any, request_id: int | None, method: str) -> Any:
        if not isinstance(answer, dict):
            self._garbled(f"no answer object to {method}")
        error = answer.get("error")
        if isinstance(error, dict):
            code = error.get("code")
            if code == LIMIT_EXCEEDED:
                raise self._rate_limited("")
            number = code if isinstance(code, int) else 0
            raise RpcRefused(method, number, str(error.get("message")), error.get("data"))
        if "result" not in answer or answer.get("id") != request_id:
            self._garbled(f"no result for {method}")
        return answer["result"]

    def _garbled(self, description: str) -> NoReturn:
        raise self._unavailable(f"answers with {description}", "chain_garbled")

    def _rate_limited(self, retry_after: str) -> ChainUnavailable:
        seconds = int(retry_after) if retry_after.isascii() and retry_after.isdigit() and len(retry_after) < 6 else 5
        return self._unavailable(
            "asks for fewer requests", "chain_rate_limited", retry_after=min(seconds, MAX_RETRY_AFTER)
        )

    def _unavailable(self, description: str, code: str, *, retry_after: int = 5) -> ChainUnavailable:
        """Return the error; the node's name is a note on it, which clients of the service do not see."""
        hint = Message("Check that the node runs and that the chain's URL is right.")
        refusal = ChainUnavailable(
            "the chain node {description}", description=description, code=code, hint=hint, retry_after=retry_after
        )
        refusal.add_note(self.name)
        return refusal


def _message(number: int, method: str, params: Any) -> dict[str, object]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
