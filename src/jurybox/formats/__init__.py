"""Reading texts and annotations from files, and writing projects to files."""

from jurybox.formats.records import (
    AnnotationRecord,
    AnnotatorRecord,
    Batch,
    ConsensusRecord,
    Export,
    TextRecord,
)

__all__ = [
    "AnnotationRecord",
    "AnnotatorRecord",
    "Batch",
    "ConsensusRecord",
    "Export",
    "TextRecord",
]
