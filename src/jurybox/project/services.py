"""What pages and services around a project ask for: pages of rows, notes, the pulse."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from jurybox.project.handle import Handle
from jurybox.store import browse, services
from jurybox.store.browse import (
    AnnotationFilter,
    AnnotationRow,
    Page,
    QueueRow,
    TextFilter,
    TextRow,
)
from jurybox.store.records import AnnotatorProgress
from jurybox.store.services import Note, Pulse, Suggestion
from jurybox.store.state import read_state

__all__ = ["Services"]


class Services(Handle):
    """Browses a project and keeps notes for what runs around it."""

    def find_texts(
        self, chosen: TextFilter | None = None, *, after: int | None = None, limit: int = 50
    ) -> Page[TextRow]:
        """Return a page of texts in their order; `after` is the `next` of the page before."""
        with self.store.read() as connection:
            return browse.find_texts(connection, chosen or TextFilter(), after=after, limit=limit)

    def text_row(self, text_id: str) -> TextRow:
        """Return one text with what is known about it; NotFoundError if there is none of this id."""
        with self.store.read() as connection:
            return browse.read_text_row(connection, text_id)

    def find_annotations(
        self, chosen: AnnotationFilter | None = None, *, after: int | None = None, limit: int = 50
    ) -> Page[AnnotationRow]:
        """Return a page of annotations that stand, the latest first."""
        with self.store.read() as connection:
            return browse.find_annotations(connection, chosen or AnnotationFilter(), after=after, limit=limit)

    def queue(self, limit: int = 50) -> list[QueueRow]:
        """Return the texts that will be asked for next, and why."""
        with self.store.read() as connection:
            return browse.read_queue(connection, now=self._clock(), limit=limit)

    def queue_reasons(self) -> dict[str, int]:
        """Count the texts that still want a label by the reason why they are asked for."""
        with self.store.read() as connection:
            return browse.count_queue(connection)

    def progress(self, annotator: str, *, since: float = 0.0) -> AnnotatorProgress:
        """Return how far an annotator is, in all and since a time, and how far the project is."""
        with self.store.read() as connection:
            return browse.read_progress(connection, annotator, since=since)

    def pulse(self) -> Pulse:
        """Return what has happened since the last round."""
        with self.store.read() as connection:
            return services.read_pulse(connection)

    def note(self, name: str) -> Note | None:
        """Return what a service last noted under a name."""
        with self.store.read() as connection:
            return services.read_note(connection, name)

    def set_note(self, name: str, value: Mapping[str, Any]) -> None:
        """Note something in place of what was noted before."""
        with self.store.write() as connection:
            services.write_note(connection, name, value, now=self._clock())

    def suggestion(self, text_id: str, annotator: str) -> Suggestion | None:
        """Return the model's opinion of a text, where the owner lets annotators see it; else None.

        It is noted that this annotator sees it: their label is stored as one given with the opinion in view,
        and estimates leave it out.
        """
        with self.store.read() as connection:
            if not read_state(connection).settings.suggestions:
                return None
            found = services.read_suggestion(connection, text_id)
        if found is not None:
            with self.store.write(durable=False) as connection:
                services.note_shown(connection, annotator, text_id, found.label)
        return found

    def probabilities(self, text_id: str) -> dict[str, float] | None:
        """Return what the last round's classifier makes of a text, by class; None where it knows nothing."""
        with self.store.read() as connection:
            return services.read_probabilities(connection, text_id)
