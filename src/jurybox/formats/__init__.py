"""Reading texts and annotations from files, and writing projects to files.

`read` opens a file or folder and yields batches of records; `write` puts a whole project into one.
"""

from jurybox.formats.options import ReadOptions
from jurybox.formats.plan import ColumnPlan, FilePlan, Finding, ImportPlan
from jurybox.formats.records import (
    AnnotationRecord,
    AnnotatorRecord,
    ConsensusRecord,
    Export,
    GoldRecord,
    RecordBatch,
    SkipRecord,
    TextRecord,
)
from jurybox.formats.source import Source, read
from jurybox.formats.widening import with_new_classes
from jurybox.formats.write import EXPORT_FORMATS, write, write_table

__all__ = [
    "EXPORT_FORMATS",
    "AnnotationRecord",
    "AnnotatorRecord",
    "ColumnPlan",
    "ConsensusRecord",
    "Export",
    "FilePlan",
    "Finding",
    "GoldRecord",
    "ImportPlan",
    "ReadOptions",
    "RecordBatch",
    "SkipRecord",
    "Source",
    "TextRecord",
    "read",
    "with_new_classes",
    "write",
    "write_table",
]
