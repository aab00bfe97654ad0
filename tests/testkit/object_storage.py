"""A real object storage for the tests: SeaweedFS, which speaks S3, with its files in a folder, on loopback."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from ledger.config.settings import Settings
from ledger.core.errors import Unavailable
from ledger.recording.public_store import BucketStore, public_store_of
from tests.testkit.machine import free_port, program, wait_until

KEY_ID, SECRET = "ledger", "secret-of-the-tests"
BUCKET = "public"  # everybody may read it, as readers of a log do
START_WITHIN = 60  # seconds
ANYBODY = httpx.Client(trust_env=False, verify=False)  # one for all reads: to load certificates takes longer than most
PORTS = ("master", "volume", "filer", "s3")


@dataclass
class ObjectStorage:
    """A storage that is started and stopped; what it has stays in ``folder`` meanwhile."""

    folder: Path
    ports: dict[str, int] = field(default_factory=dict)
    _process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.ports['s3']}"

    def url(self, prefix: str) -> str:
        """Return the address at which everybody reads what is below the prefix."""
        return f"{self.endpoint}/{BUCKET}/{prefix}"

    def settings(self, prefix: str, secret: str = SECRET) -> dict[str, str]:
        """Return what a service is told to publish below the prefix."""
        return self.named("tile_store", prefix, secret) | {"tile_store_url": self.url(prefix)}

    def named(self, setting: str, prefix: str, secret: str = SECRET) -> dict[str, str]:
        """Return the settings that begin with ``setting`` and name what is below the prefix."""
        secret_file = self.folder / f"{secret}.secret"
        secret_file.touch(0o600)
        secret_file.write_text(f"{secret}\n")
        named = {setting: f"s3://{BUCKET}/{prefix}", f"{setting}_endpoint": self.endpoint}
        return named | {f"{setting}_key_id": KEY_ID, f"{setting}_secret_file": str(secret_file)}

    def store(self, prefix: str, secret: str = SECRET) -> BucketStore:
        """Return the store as a service opens it."""
        store = public_store_of(Settings(**self.settings(prefix, secret)))  # type: ignore[arg-type]
        assert isinstance(store, BucketStore)
        return store

    def read(self, prefix: str, name: str) -> bytes | None:
        """Return an object as anybody gets it, or None if there is none."""
        answer = ANYBODY.get(f"{self.url(prefix)}/{name}")
        assert answer.status_code in (200, 404), answer.text
        return answer.content if answer.status_code == 200 else None

    def start(self) -> None:
        """Start the storage; return once it takes what is written."""
        # The same ports after a stop, so that who knows the storage finds it again.
        ports = self.ports or {f"{part}{kind}": free_port() for part in PORTS for kind in ("", ".grpc")}
        self.ports = ports
        access = {"name": KEY_ID, "credentials": [{"accessKey": KEY_ID, "secretKey": SECRET}], "actions": ["Admin"]}
        everybody = {"name": "anonymous", "actions": [f"Read:{BUCKET}"]}
        (self.folder / "s3.json").write_text(json.dumps({"identities": [access, everybody]}))
        command = [str(program("seaweedfs", "weed")), "server", f"-dir={self.folder}", "-ip=127.0.0.1", "-filer", "-s3"]
        command += ["-ip.bind=127.0.0.1", f"-s3.config={self.folder / 's3.json'}", "-s3.port.iceberg=0"]
        command += [
            "-master.telemetry=false",
            "-master.electionTimeout=1s",
            "-s3.port.lance=0",
            "-master.volumeSizeLimitMB=64",
            "-volume.max=20",
        ]
        command += [f"-{part}.port={ports[part]}" for part in PORTS]
        command += [f"-{part}.port.grpc={ports[f'{part}.grpc']}" for part in PORTS]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_until(self._is_up, within_s=START_WITHIN)

    def _is_up(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.folder / "log").read_text()[-2000:]
        try:
            self.store("ready").put({str(time.monotonic()): b"ready"})
        except Unavailable:
            return False
        return True

    def stop(self) -> None:
        """Kill the storage: asked to end it takes half a minute. What it has acknowledged stays."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


@contextmanager
def running_storage(folder: Path) -> Iterator[ObjectStorage]:
    """Yield a storage with an empty bucket, stopped at the end."""
    storage = ObjectStorage(folder)
    try:
        storage.start()
        yield storage
    finally:
        storage.stop()
