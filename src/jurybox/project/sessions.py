"""The sessions of the people of a project: the key they are signed with, who is in one, and their end."""

from __future__ import annotations

from collections.abc import Callable

from jurybox.store import people, sessions
from jurybox.store.engine import Store
from jurybox.store.records import AnnotatorInfo
from jurybox.store.sessions import SessionKey

__all__ = ["Sessions"]


class Sessions:
    """The sessions of one project, on every server that serves it."""

    def __init__(self, store: Store, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock

    def key(self) -> SessionKey:
        """Return the key that holds; StoreError if it is too short to be safe."""
        with self._store.look() as connection:
            return sessions.read_key(connection)

    def use_key(self, key: SessionKey) -> None:
        """Sign with a key, and be known by its identifier: of a project that nobody has a session of yet."""
        with self._store.write() as connection:
            sessions.write_key(connection, key)

    def end_all(self) -> SessionKey:
        """End everybody's sessions by a new key, and return it."""
        with self._store.write() as connection:
            return sessions.replace_key(connection)

    def end(self, session: str, *, until: float) -> None:
        """End one session, which would have ended by itself at a Unix time."""
        with self._store.write() as connection:
            sessions.forget_session(connection, session, until=until, now=self._clock())

    def person(self, key: SessionKey, session: str, *, token_hash: str) -> AnnotatorInfo | None:
        """Return who opened a session with a token; None if it, the key or the token has ended."""
        with self._store.look() as connection:
            return people.find_person_in_session(connection, key, session, token_hash=token_hash)

    def owner(self, key: SessionKey, session: str) -> AnnotatorInfo | None:
        """Return the first owner, to whom a session belongs; None if it or the key has ended."""
        with self._store.look() as connection:
            return people.find_owner_in_session(connection, key, session)
