"""The twelve stories, played by the people of the town: something to look at for each of them."""

from __future__ import annotations

import secrets
import time

import msgspec

from ledger.client.sample_ledger import ServiceLedger
from ledger.config.installation import Installation
from ledger.config.keys import KeyDirectory
from ledger.samples import load
from ledger.samples.player import Player
from ledger.samples.town import TownKeys
from scripts.demonstration.stage import Stage


def play(stage: Stage) -> None:
    """Through the service, with the keys that the people have at their terminals."""
    stage.act("The twelve stories")
    identity = msgspec.json.decode((stage.data / "installation.json").read_bytes(), type=Installation)
    keys = TownKeys(KeyDirectory(stage.directory / "config" / "keys"), stage.passphrase_file)
    ledger = ServiceLedger(stage.url, identity.log_id_bytes, keys)
    player = Player(ledger, keys, began_at=int(time.time()), secret=secrets.token_hex(16))
    under_way: list[load.Progress] = []

    def told(progress: load.Progress) -> None:
        if under_way and (part := under_way[-1].part):
            stage.held(part.en, f"{progress.events - under_way[-1].events} events")
        under_way.append(progress)

    load.play(player, told)
