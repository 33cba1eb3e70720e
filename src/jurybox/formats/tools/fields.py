"""What fields of objects say: which holds the text, and who it was."""

from __future__ import annotations

from collections.abc import Mapping

from jurybox.formats.names import NAMES, plain_name
from jurybox.formats.values import as_text

__all__ = ["TEXTS", "are_tokens", "conversation", "named_in", "who", "who_field"]

TEXTS = ("text", "sentence", "document", "content", "body", "message", "review", "comment")
"""What the field of a text is called."""

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
    field = who_field(found)
    return None if field is None else named_in(found[field])


def who_field(found: Mapping[str, object]) -> str | None:
    """Return the name of the field in which an object names its annotator."""
    known = next((name for name in _FIELDS if named_in(found.get(name)) is not None), None)
    if known is not None:
        return known
    spoken = (name for name in found if plain_name(as_text(name)) in (*NAMES["annotator"], "by"))
    return next((name for name in spoken if named_in(found[name]) is not None), None)


def named_in(person: object) -> object:
    """Return the name or the number of a person, whom a field names or describes; None for nobody."""
    if isinstance(person, Mapping):
        person = person.get("email") or person.get("username") or person.get("name") or person.get("id")
    return None if isinstance(person, list | Mapping) or not as_text(person).strip() else person


def conversation(text: object) -> object:
    r"""Return the turns of a conversation one below the other, and tokens with blanks between them.

    Anything else stays as it is.

    Examples
    --------
    >>> conversation({"context": "Hi.", "response": "Oh great."})
    'context: Hi.\nresponse: Oh great.'
    """
    if isinstance(text, list) and text and all(isinstance(word, str) for word in text):
        return " ".join(text)
    if not isinstance(text, Mapping):
        return text
    return "\n".join(f"{name}: {as_text(turn)}" for name, turn in text.items())


def are_tokens(name: object, value: object) -> bool:
    """Whether a field has the words of a text, such as `post_tokens`."""
    said = plain_name(as_text(name)).endswith(("tokens", "words"))
    return said and isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)
