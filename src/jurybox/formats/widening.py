"""Files that bring classes along: options of reading by which all that a file names is a class."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from os import PathLike

from jurybox.errors import InputError
from jurybox.formats.options import ReadOptions
from jurybox.formats.plan import ImportPlan
from jurybox.formats.source import read
from jurybox.questions import Question
from jurybox.written import widened, with_class

__all__ = ["with_new_classes"]


def with_new_classes(path: str | PathLike[str], options: ReadOptions) -> ReadOptions:
    """Return options by which whatever a file names as a class is one; of questions, behind those they have.

    The file is read up to each answer that names a new one.

    Raises
    ------
    FormatError
        As `read`, for all else that is wrong.
    """
    options = replace(options, classes=None)
    while options.questions:
        try:
            source = read(path, options)
            wider = _with_columns(options.questions, source.plan)
            for batch in source.batches():
                for record in batch.annotations:
                    wider = widened(wider, record.label)
        except InputError as error:
            named = _named_class(error)
            if named is None:
                raise
            wider = with_class(options.questions, *named)
        if wider == tuple(options.questions):
            break
        options = replace(options, questions=wider)
    return options


def _named_class(error: BaseException | None) -> tuple[str, str] | None:
    """Return the question and the class that it lacks, which an error is about, or that behind it."""
    while error is not None:
        if isinstance(error, InputError) and error.code == "no_class" and "option" in error.values:
            return str(error.values["question"]), str(error.values["option"])
        error = error.__cause__
    return None


def _with_columns(questions: Sequence[Question], plan: ImportPlan) -> tuple[Question, ...]:
    """Return the questions with the classes that columns are called after: ``question:class``."""
    known = tuple(questions)
    for column in (column for file in plan.files for column in file.columns):
        name, _, option = column.name.partition(":")
        for each in known:
            if each.name == name and each.kind == "several" and option and option not in each.classes:
                known = with_class(known, name, option)
    return known
