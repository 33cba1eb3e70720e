"""Finding texts by their words: FTS5 on SQLite, tsvector with a GIN index on PostgreSQL.

What a word is, is decided here, so that both find the same; the databases look words up. They are kept beside
the texts without these, in the transaction that writes a text or deletes it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.engine import Connection

from jurybox.store import schema
from jurybox.store.engine import insert_rows

_MOST_CHARACTERS = 100_000  # of a text: PostgreSQL takes a megabyte of words
_LONGEST = 100  # characters of a word
# Chinese and Japanese put no spaces between words, so there each sign is one.
_SIGN = "[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
_WORD = re.compile(rf"{_SIGN}|(?:(?!{_SIGN})[^\W_])+")
_ASCII_WORD = re.compile("[a-z0-9]+")


def words_of(text: str) -> list[str]:
    """Return the different words of a text, in the order in which they come: in lower case, without marks.

    Examples
    --------
    >>> words_of("Crème brûlée, CREME-17 日本")
    ['creme', 'brulee', '17', '日', '本']
    """
    text = text[:_MOST_CHARACTERS]
    if text.isascii():
        found = _ASCII_WORD.findall(text.lower())
    else:
        signs = unicodedata.normalize("NFKD", text.casefold())
        plain = "".join(sign for sign in signs if unicodedata.category(sign)[0] != "M")
        found = _WORD.findall(unicodedata.normalize("NFC", plain))
    return list(dict.fromkeys(word[:_LONGEST] for word in found))


def index_texts(connection: Connection, rows: Iterable[Mapping[Any, Any]]) -> None:
    """Let texts be found.

    Parameters
    ----------
    rows
        With the `id`, `external_id` and `text` of each.
    """
    found = [{"rowid": row["id"], "words": _words_of_row(row)} for row in rows]
    insert_rows(connection, schema.text_words, found)


def unindex_texts(connection: Connection, chosen: sa.ColumnElement[bool]) -> None:
    """Let stored texts that fulfil a condition be found no more."""
    texts, words = schema.stored_texts.c, schema.text_words
    if connection.dialect.name != "sqlite":
        numbers = sa.select(texts.id).where(chosen)
        connection.execute(sa.delete(words).where(words.c.rowid.in_(numbers)))
        return
    rows = connection.execute(sa.select(texts.id, texts.external_id, texts.text).where(chosen)).mappings()
    # An index that keeps no text has to be told what it has of it.
    gone = [(row["id"], _words_of_row(row)) for row in rows]
    if gone:
        forget = "INSERT INTO text_words (text_words, rowid, words) VALUES ('delete', ?, ?)"
        connection.exec_driver_sql(forget, gone)


def has_words(connection: Connection, search: str) -> sa.ColumnElement[bool]:
    """Return which rows of `schema.text_words` have all words of a search, which has at least one.

    The last of them may be the beginning of a word.
    """
    words = schema.text_words
    *whole, last = words_of(search)
    if connection.dialect.name == "sqlite":
        query = " AND ".join([*(f'"{word}"' for word in whole), f'"{last}"*'])
        return sa.literal_column(words.name).op("MATCH", is_comparison=True)(query)
    query = " & ".join([*(f"'{word}'" for word in whole), f"'{last}':*"])
    # Written into the statement: prepared for any words, it would be planned for rare ones. Words have no
    # quotes or backslashes.
    said = sa.bindparam(None, query, type_=sa.String, literal_execute=True)
    return words.c.words.op("@@", is_comparison=True)(sa.cast(said, TSQUERY))


def _words_of_row(row: Mapping[Any, Any]) -> str:
    return " ".join(words_of(f"{row['external_id']} {row['text']}"))
