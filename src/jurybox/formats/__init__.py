"""Reading texts and annotations from files, and writing projects to files.

`read` opens a file or folder and yields batches of records; `write` puts a whole project into one.
"""

from jurybox.formats.records import (
    AnnotationRecord,
    AnnotatorRecord,
    Batch,
    ConsensusRecord,
    Export,
    TextRecord,
)
from jurybox.formats.source import Plan, ReadOptions, Source, read

__all__ = [
    "AnnotationRecord",
    "AnnotatorRecord",
    "Batch",
    "ConsensusRecord",
    "Export",
    "Plan",
    "ReadOptions",
    "Source",
    "TextRecord",
    "read",
]
