"""Who gave an annotation, by the names that tools have for the field."""

from __future__ import annotations

from collections.abc import Mapping

from jurybox.formats.values import as_text

__all__ = ["who"]

_FIELDS = (
    *("annotator", "annotator_id", "annotatorId", "annotator_name", "annotated_by", "completed_by", "worker"),
    *(
        "worker_id",
        "WorkerId",
        "rater",
        "rater_id",
        "coder",
        "labeler",
        "labeller",
        "judge",
        "user",
        "username",
    ),
    *("user_id", "created_username", "created_by", "reviewer", "participant", "email", "name"),
)


def who(found: Mapping[str, object]) -> object:
    """Return the annotator whom an object names; None where it names nobody.

    Examples
    --------
    >>> who({"completed_by": {"id": 3, "email": "ana@example.org"}}), who({"label": "a"})
    ('ana@example.org', None)
    """
    for name in _FIELDS:
        person = found.get(name)
        if isinstance(person, Mapping):
            person = person.get("email") or person.get("username") or person.get("name") or person.get("id")
        if not isinstance(person, list | Mapping) and as_text(person).strip():
            return person
    return None
