"""The models that come with this version: one file each in ``shipped``, by the number of its rule."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from importlib.resources import files

from ledger.core.encoding.decoding import convert
from ledger.core.errors import NotFound
from ledger.core.events.supervision import BilingualText
from ledger.supervision.models.document import read_document
from ledger.supervision.models.refused import unknown


def shipped_models() -> Mapping[str, str]:
    """The text of each file by the model's id, in the order of the rules."""
    folder = files("ledger.supervision.models").joinpath("shipped")
    names = sorted(file.name for file in folder.iterdir() if file.name.endswith(".yaml"))
    return {model_id(name): folder.joinpath(name).read_text(encoding="utf-8") for name in names}


@cache
def shipped_titles() -> Mapping[str, BilingualText]:
    """The title of each, read once: they do not change while the service runs, and reading them all takes a while."""
    return {name: convert(read_document(text).tree["title"], BilingualText) for name, text in shipped_models().items()}


def shipped_model(name: str) -> str:
    """The text of a model's file by its id. Raises NotFound, naming the nearest."""
    found = shipped_models().get(name)
    if found is None:
        raise NotFound(str(unknown("model", name, shipped_models())), field="model")
    return found


def model_id(file_name: str) -> str:
    """The id of the model in a file: its name without the rule's number."""
    return file_name.removesuffix(".yaml").partition("-")[2]
