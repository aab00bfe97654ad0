"""``scripts/demo``: the whole story, then a summary. Exit code 0 only if every step held."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from scripts.demonstration import cases, proofs
from scripts.demonstration.founding import found
from scripts.demonstration.stage import ENDING, Stage, StepFailed, running_chain


def main() -> int:
    """Run the demonstration."""
    arguments = parse_arguments()
    end_on_signals()
    began = time.monotonic()
    with workplace(arguments.keep) as directory, running_chain(arguments.chain, directory) as chain:
        stage = Stage(directory, chain)
        try:
            run(stage, serve=arguments.serve)
        except StepFailed as failure:
            stage.fail(str(failure))
        except KeyboardInterrupt:
            stage.fail("interrupted")
        finally:
            stage.stop_all()
        stage.summarise(time.monotonic() - began)
        return 1 if stage.failed else 0


def run(stage: Stage, *, serve: bool) -> None:
    """Run the acts in their order."""
    witnesses = found(stage, whole=serve)
    cases.publish_model(stage)
    cases.play_theft(stage)
    cases.work_lead(stage)
    if serve:
        cases.play_twelve(stage)
    proofs.export(stage)
    proofs.verify_lead(stage)
    proofs.keep_copy(stage)
    proofs.cheat(stage, witnesses)
    if serve:
        stage.serve_until_interrupted()
        return
    proofs.keep_checkpoint(stage)
    stage.stop_all()
    proofs.check_offline(stage)
    proofs.put_back(stage)
    proofs.tamper(stage)


def end_on_signals() -> None:
    """End what was started, too, when the demonstration is ended: SIGTERM does what Ctrl-C does, and both hold where a
    shell had the interrupt ignored, as it does for what it runs in the background."""
    for number in ENDING:
        signal.signal(number, signal.default_int_handler)


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="scripts/demo", description=__doc__)
    parser.add_argument(
        "--serve", action="store_true", help="play the twelve stories too, and leave the service running"
    )
    parser.add_argument("--chain", choices=("anvil", "hardhat"), default="anvil", help="which node [anvil, embedded]")
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="keep what was made, in this new directory")
    return parser.parse_args()


@contextmanager
def workplace(keep: Path | None) -> Iterator[Path]:
    """Yield a directory of the demonstration's own."""
    if keep is None:
        with tempfile.TemporaryDirectory(prefix="tallystick-demo-") as name:
            yield Path(name)
    else:
        keep.mkdir(parents=True, mode=0o700)
        yield keep.resolve()


if __name__ == "__main__":
    sys.exit(main())
