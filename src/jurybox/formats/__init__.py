"""Reading texts and annotations from files, and writing projects to files.

`read` opens a file or folder and yields batches of records; `write` puts a whole project into one.
"""

from jurybox.formats.records import (
    AnnotationRecord,
    AnnotatorRecord,
    Batch,
    ConsensusRecord,
    Export,
    GoldRecord,
    TextRecord,
)
from jurybox.formats.source import Plan, ReadOptions, Source, read
from jurybox.formats.write import EXPORT_FORMATS, write, write_table

__all__ = [
    "EXPORT_FORMATS",
    "AnnotationRecord",
    "AnnotatorRecord",
    "Batch",
    "ConsensusRecord",
    "Export",
    "GoldRecord",
    "Plan",
    "ReadOptions",
    "Source",
    "TextRecord",
    "read",
    "write",
    "write_table",
]
