"""LightTag: examples with classifications, each with the people who agree to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from jurybox.formats.plan import Finding
from jurybox.formats.tools.base import Answer, Context, Item, span_problem

__all__ = ["LightTag"]

_SPANS = Finding("spans beside a label left out")


class LightTag:
    """Examples with `classifications`."""

    name = "lighttag"
    title = "LightTag"
    documentation = "https://guide.lighttag.io/"

    def recognises(self, sample: Sequence[Mapping[str, object]]) -> bool:
        """Whether objects are examples."""
        return any(
            "example_id" in found and ("classifications" in found or "annotations" in found)
            for found in sample
        )

    def items(self, objects: Iterator[Mapping[str, object]], about: Context) -> Iterator[tuple[int, Item]]:
        """Yield a text with its classifications by person."""
        for row, found in enumerate(objects, 1):
            field = about.text_field(found, ("content", "text"), row)
            held = found.get("classifications")
            answers = []
            for one in held if isinstance(held, list) else ():
                if not isinstance(one, Mapping):
                    raise about.wrong("is no classification", row, "classifications", one)
                label = one.get("classname", one.get("class_name", one.get("tag", one.get("value"))))
                people = one.get("annotated_by")
                for person in people if isinstance(people, list) else [one]:
                    about_person = person if isinstance(person, Mapping) else {"annotator": person}
                    name = about_person.get("annotator") or about_person.get("annotator_id")
                    answers.append(
                        Answer(name, label, time=about_person.get("timestamp"), field="classifications")
                    )
            if found.get("annotations"):
                if not answers:
                    raise span_problem(about, row, "annotations", None)
                about.tally.note(_SPANS, row)
            used = [field, "example_id", "classifications", "annotations", "relations", "seen_by", "schema"]
            yield (
                row,
                Item(
                    found.get(field),
                    answers,
                    found.get("example_id"),
                    about.metadata(found, used, row),
                    field,
                ),
            )
