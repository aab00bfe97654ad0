"""Columns as all stores have them, and the table of a model."""

from __future__ import annotations

from typing import cast

from sqlalchemy import BigInteger, Column, LargeBinary, Table, Text
from sqlmodel import SQLModel


def big(*, primary_key: bool = False) -> Column[int]:
    """A number of 64 bits that the store does not make up."""
    return Column(BigInteger, nullable=False, autoincrement=False, primary_key=primary_key)


def binary(*, nullable: bool = False) -> Column[bytes]:
    """Bytes."""
    return Column(LargeBinary, nullable=nullable)


def text() -> Column[str]:
    """A text of any length."""
    return Column(Text, nullable=False)


def core_of(model: type[SQLModel]) -> Table:
    """The table of a model, for SQLAlchemy Core."""
    return cast(Table, model.__table__)  # type: ignore[attr-defined]
