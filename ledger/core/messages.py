"""Messages: sentences for people that stay translatable after they are written."""

from __future__ import annotations

from typing import Any


class Message(str):
    """An English sentence that keeps its message id and the values of its slots.

    It is the rendered English, so that whatever prints, records or compares text needs to know nothing of it;
    ``ledger.i18n.translate`` renders it for a reader of another language. The id has slots of Python's format syntax:
    ``Message("case {case_id} is closed", case_id="c-1")``. A slot may hold another message. Any operation on the text
    (concatenation, slicing) gives a plain ``str``, which is not translated any more: join messages by a message.
    """

    __slots__ = ("msgid", "params")
    msgid: str
    params: dict[str, Any]

    def __new__(cls, msgid: str, /, **params: Any) -> Message:
        """Render the message in English. An error in a slot stands for its message."""
        params = {
            name: _of_error(value) if isinstance(value, BaseException) else value for name, value in params.items()
        }
        message = super().__new__(cls, msgid.format_map(params) if params else msgid)
        message.msgid = msgid
        message.params = params
        return message

    def __getnewargs_ex__(self) -> tuple[tuple[str], dict[str, Any]]:
        """Return what a copy or an unpickled message is made from."""
        return (self.msgid,), self.params


def _of_error(error: BaseException) -> str:
    text = getattr(error, "text", None)
    return text if isinstance(text, Message) else str(error)
