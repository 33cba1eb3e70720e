"""The people of a project: annotators, reviewers, owners; and their sessions on servers."""

from __future__ import annotations

import hashlib

from sqlalchemy.engine import Connection

from jurybox.errors import NotFoundError
from jurybox.project.handle import ProjectPart
from jurybox.project.history import act_on_person
from jurybox.store import loans, people, state
from jurybox.store.checks import storable
from jurybox.store.history import note_event
from jurybox.store.records import AnnotatorInfo, Role, Standing
from jurybox.store.state import SessionKey


def message_digest(message: str) -> str:
    """Return what tells a message from another one; a form would change the ends of its lines.

    Examples
    --------
    >>> message_digest("Slow down, please.")
    '44ecc2c1443103d80089ca798e927e405c7e7657bf7967830a9add679f1db0b4'
    """
    return hashlib.sha256(message.encode()).hexdigest()


class Sessions(ProjectPart):
    """The sessions of one project, on every server that serves it."""

    def key(self) -> SessionKey:
        """Return the key that holds; StoreError if it is too short to be safe."""
        with self.store.look() as connection:
            return state.read_key(connection)

    def use_key(self, key: SessionKey) -> None:
        """Sign with a key, and be known by its identifier: of a project that nobody has a session of yet."""
        with self.store.write() as connection:
            state.write_key(connection, key)

    def end_all(self) -> SessionKey:
        """End everybody's sessions by a new key, and return it."""
        with self.store.write() as connection:
            return state.replace_key(connection)

    def end(self, session: str, *, until: float) -> None:
        """End one session, which would have ended by itself at a Unix time."""
        with self.store.write() as connection:
            state.forget_session(connection, session, until=until, now=self._clock())

    def person(self, key: SessionKey, session: str, *, token_hash: str) -> AnnotatorInfo | None:
        """Return who opened a session with a token; None if it, the key or the token has ended."""
        with self.store.look() as connection:
            return people.find_person_in_session(connection, key, session, token_hash=token_hash)

    def owner(self, key: SessionKey, session: str) -> AnnotatorInfo | None:
        """Return the first owner, to whom a session belongs; None if it or the key has ended."""
        with self.store.look() as connection:
            return people.find_owner_in_session(connection, key, session)


class People(ProjectPart):
    """Adds and looks up people, and says what each may do."""

    def all(self) -> list[AnnotatorInfo]:
        """Return everyone, in the order in which they came."""
        with self.store.read() as connection:
            return people.read_annotators(connection)

    def get(self, name: str) -> AnnotatorInfo:
        """Return one person; NotFoundError if there is none of this name."""
        with self.store.look() as connection:
            found = people.find_annotator(connection, name)
        if found is None:
            raise NotFoundError(f"there is no annotator {name!r} in this project")
        return found

    def number(self, name: str) -> int:
        """Return a person's number, which stays whatever they are called; NotFoundError if there is none."""
        with self.store.look() as connection:
            return people.number_of(connection, name)

    def add(
        self, name: str, *, role: Role = Role.ANNOTATOR, cap: int | None = None, by: str | None = None
    ) -> AnnotatorInfo:
        """Add a person, who may give `cap` annotations; ConflictError if the name is taken.

        Parameters
        ----------
        by
            Who invites them, for the history; None: nobody, as where labels are imported.
        """
        with self.store.write() as connection:
            people.add_annotator(connection, name, now=self._clock(), role=role, cap=cap)
            if by is not None:
                self._note(connection, "invite", name, by)
        return self.get(name)

    def pause(self, name: str, *, by: str | None = None) -> None:
        """Give an annotator no more tasks and take no labels until `resume`; texts in hand go back.

        Parameters
        ----------
        by
            Who does it, for the history.
        """
        self._act_on("pause", name, by)

    def resume(self, name: str, *, by: str | None = None) -> None:
        """Give a paused annotator tasks again."""
        self._act_on("resume", name, by)

    def leave_out(self, name: str, *, by: str | None = None) -> None:
        """Let a person's labels count for nothing until `count_again`; their texts go back to the queue.

        The labels are kept, and exports of annotations hold them; consensus, models and figures do not rest
        on them.
        """
        self._act_on("leave out", name, by)

    def count_again(self, name: str, *, by: str | None = None) -> None:
        """Let the labels count of a person who was left out."""
        self._act_on("count", name, by)

    def set_cap(self, name: str, cap: int | None) -> None:
        """Limit how many annotations a person may give; None lifts the limit."""
        self._update(name, cap=cap)

    def set_max_share(self, name: str, share: float | None) -> None:
        """Limit which share of all annotations a person may give; None: as the project's setting says.

        A share of 1 is no limit. Whatever the share is, anybody may give a few labels, as the first ones of a
        project are all by somebody.
        """
        self._update(name, max_share=share)

    def qualify(self, name: str, verdict: bool | None = True) -> None:
        """Let a person label without a test, or despite one that was failed.

        Parameters
        ----------
        verdict
            False gives the person no more texts; None leaves it to the test, for which the gold texts
            labelled so far count.
        """
        self.change(name, qualified=verdict)

    def change(
        self, name: str, *, standing: Standing | None = None, by: str | None = None, **values: object
    ) -> AnnotatorInfo:
        """Change what is known of a person, all or nothing, and return them.

        Parameters
        ----------
        standing
            Active or paused.
        by
            Who does it, for the history.
        **values
            Role, cap, largest share and qualification, as of `jurybox.store.people.update_annotator`.

        Raises
        ------
        NotFoundError
            If there is no such person.
        InputError
            For a cap or share that is none.
        ConflictError
            If they are removed, and are to be paused or resumed.
        """
        with self.store.write() as connection:
            if values:
                people.update_annotator(connection, name, **values)
            if values.get("qualified") is False:
                loans.give_back_all(connection, name)
            if standing is not None:
                verb = "pause" if standing is Standing.PAUSED else "resume"
                act_on_person(connection, verb, name, by=by, now=self._clock())
        return self.get(name)

    def set_role(self, name: str, role: Role) -> None:
        """Change what a person may do."""
        self._update(name, role=role.value)

    def set_token(self, name: str, token_hash: str | None, *, ends_at: float | None = None) -> None:
        """Store the hash of a person's access token, which may end; None withdraws access.

        Raises
        ------
        ConflictError
            For a token of a person who is removed.
        """
        self._update(name, token_hash=token_hash, token_ends_at=ends_at)

    def withdraw(self, name: str, *, by: str) -> None:
        """End a person's link and sessions, and note in the history who did it; the labels stay."""
        with self.store.write() as connection:
            people.update_annotator(connection, name, token_hash=None, token_ends_at=None)
            self._note(connection, "withdraw", name, by)

    def write_to(self, name: str, message: str, *, by: str) -> None:
        """Show a person a message on their labelling page until they have read it; the last one holds.

        Raises
        ------
        NotFoundError
            If there is no such person.
        InputError
            If the message is empty.
        """
        storable(message, "message", empty=False)
        with self.store.write() as connection:
            people.update_annotator(connection, name, message=message)
            self._note(connection, "message", name, by)

    def has_read(self, name: str, digest: str) -> None:
        """Take the message of this digest away, which a person has read; one that came since stays."""
        with self.store.write() as connection:
            message = people.lock_annotator(connection, name).message
            if message is not None and message_digest(message) == digest:
                people.update_annotator(connection, name, message=None)

    def has_token(self, name: str) -> bool:
        """Whether a person has an access token or link, whether or not it has ended."""
        with self.store.look() as connection:
            return people.has_token(connection, name)

    def by_token(self, token_hash: str) -> AnnotatorInfo | None:
        """Return whom a token that has not ended belongs to, or None; never a person who is removed."""
        with self.store.look() as connection:
            return people.find_annotator(connection, token_hash=token_hash, now=self._clock())

    @property
    def sessions(self) -> Sessions:
        """Who is signed in, and how that ends."""
        return Sessions(self.store, self._clock)

    def _note(self, connection: Connection, verb: str, name: str, by: str) -> None:
        detail = {"person": people.lock_annotator(connection, name).id}  # names change hands
        note_event(connection, verb, name, by=by, now=self._clock(), detail=detail)

    def _act_on(self, verb: str, name: str, by: str | None) -> None:
        with self.store.write() as connection:
            act_on_person(connection, verb, name, by=by, now=self._clock())

    def _update(self, name: str, **values: object) -> None:
        with self.store.write() as connection:
            people.update_annotator(connection, name, **values)
