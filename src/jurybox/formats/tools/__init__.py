"""The exports of other annotation tools: what their fields mean, and what is no label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jurybox.formats.tools.argilla import Argilla
from jurybox.formats.tools.base import ObjectTool, TableTool
from jurybox.formats.tools.crowds import APPEN, CROWD_KIT, MTURK, TOLOKA, AppenJson
from jurybox.formats.tools.forms import QUALTRICS
from jurybox.formats.tools.inception import CasJson
from jurybox.formats.tools.label_studio import LABEL_STUDIO_TABLE, LabelStudio
from jurybox.formats.tools.nested import Nested, Parallel
from jurybox.formats.tools.potato import POTATO_TABLE, Potato
from jurybox.formats.tools.spans import DOCCANO_TABLE, Doccano, LightTag, Prodigy

__all__ = ["OBJECT_TOOLS", "TABLE_TOOLS", "object_tool", "table_tool"]

OBJECT_TOOLS: tuple[ObjectTool, ...] = (
    *(CasJson(), AppenJson(), LabelStudio(), LightTag(), Potato(), Prodigy()),
    *(Argilla(), Parallel(), Nested(), Doccano()),
)
TABLE_TOOLS: tuple[TableTool, ...] = (
    *(MTURK, TOLOKA, APPEN, LABEL_STUDIO_TABLE, POTATO_TABLE, QUALTRICS, DOCCANO_TABLE, CROWD_KIT),
)


def object_tool(form: str, sample: Sequence[Mapping[str, object]]) -> ObjectTool | None:
    """Return the tool that was named or wrote these objects; None for rows of a table."""
    named = next((tool for tool in OBJECT_TOOLS if tool.name == form), None)
    if named is not None and named.recognises(sample):
        return named
    columns = list(dict.fromkeys(name for found in sample for name in found))
    if any(tool.name == form and tool.recognises(columns) for tool in TABLE_TOOLS):
        return None  # the same tool has tables, too
    if named is not None and form != "json":
        return named
    return next((tool for tool in OBJECT_TOOLS if tool.recognises(sample)), None)


def table_tool(form: str, columns: Sequence[str]) -> TableTool | None:
    """Return the tool that was named or has such columns."""
    named = next((tool for tool in TABLE_TOOLS if tool.name == form), None)
    return named or next((tool for tool in TABLE_TOOLS if tool.recognises(columns)), None)
