"""What is believed of one question among several: the same figures, from what is about it alone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy.engine import Connection

from jurybox.answers import NOT_ASKED
from jurybox.errors import ConflictError
from jurybox.project.basis import Moment, read_inputs, read_version
from jurybox.project.beliefs import BeliefSource, ProjectBelief
from jurybox.project.choices import check_names
from jurybox.project.handle import ProjectPart
from jurybox.project.stopping import RandomArm
from jurybox.questions import Facet, Question
from jurybox.sheets import AnswerSheet
from jurybox.store.engine import Store
from jurybox.store.services import BELIEFS
from jurybox.store.settings import ProjectSettings
from jurybox.store.snapshots import read_annotations
from jurybox.store.state import read_questions
from jurybox.told import one_or_several
from jurybox.trust.intervals import Interval
from jurybox.whole import answer_sheet
from jurybox.written import all_facets, answer_written, facet_named


@dataclass(frozen=True)
class FacetBelief:
    """How one question stands, or one class of a question with several.

    Attributes
    ----------
    question
        ``question``, or ``question:class``, which is answered yes or no.
    answers, texts
        Answers to it, and texts that have one.
    agreement
        Krippendorff's alpha among annotators on texts drawn by chance; None where no two answered about one.
    quality
        Mean probability that a consensus answer is right; None without answers.
    accuracy, macro_f1
        Of the last round's model by the audit sample, with 95 % intervals; None before it was judged.
    done
        Whether a stop rule says that more labels will not help here.
    """

    question: str
    answers: int
    texts: int
    agreement: float | None
    quality: float | None
    accuracy: Interval | None
    macro_f1: Interval | None
    done: bool


@dataclass(frozen=True)
class QuestionsBelief:
    """How all questions stand, each class of one with several counted.

    Attributes
    ----------
    facets
        In the order of the questions.
    worst
        That with the lowest macro-F1 of the model, or quality of the consensus before it was judged; None
        without labels.
    macro_f1, quality
        Means over all; None where one is not known.
    done, worst_done
        Whether a stop rule says so of more than half of them, and of every one.
    """

    facets: tuple[FacetBelief, ...]
    worst: str | None
    macro_f1: float | None
    quality: float | None
    done: bool
    worst_done: bool


def what_is_asked(
    questions: Sequence[Question | str], classes: Sequence[str] | None, settings: ProjectSettings | None
) -> tuple[tuple[Question, ...], Sequence[str], ProjectSettings]:
    """Return a new project's questions, classes and settings.

    One question with one answer needs no more than its classes: it makes a project like any other.

    Raises
    ------
    InputError
        As `jurybox.written.writable_questions` and `check_names`; or for questions and classes at once, or
        neither.
    """
    settings = settings or ProjectSettings()
    check_names(settings)
    asked, names, is_scale = one_or_several(questions, classes)
    if asked:
        return asked, (), settings
    given = settings.updated({"scale": is_scale}) if questions else settings
    return (), [str(name) for name in names] if questions else classes or (), given


def read_whole(connection: Connection) -> Moment:
    """Read what beliefs of a project with one question are made from.

    Raises
    ------
    ConflictError
        If there are several.
    """
    found = read_inputs(connection)
    if found.questions:
        raise _which(all_facets(found.questions))
    return found


def _which(facets: Sequence[Facet]) -> ConflictError:
    return ConflictError(
        "this project has several questions, each with figures of its own; name one of "
        f"{', '.join(map(str, facets))}",
        code="which_question",
    )


class Facets(ProjectPart):
    """What is believed of each of several questions: ``project.facets``; of a project with one, nothing."""

    def __init__(
        self, store: Store, clock: Callable[[], float], random_arm: RandomArm, whole: BeliefSource
    ) -> None:
        super().__init__(store, clock)
        self._random_arm = random_arm
        self._whole = whole
        self._sources: dict[tuple[int, Facet], BeliefSource] = {}
        self._moment: Moment | None = None
        self._lock = threading.Lock()
        self._reading = threading.Lock()

    def of(self, question: str | None) -> BeliefSource:
        """Return where the beliefs about a question come from; None: those of a project with one.

        Parameters
        ----------
        question
            ``question``, or ``question:class`` where it may have several classes.

        Raises
        ------
        InputError
            If there is no such question.
        ConflictError
            If there are several, and none is named.
        """
        with self.store.read() as connection:
            facets = all_facets(read_questions(connection))
        if question is not None:
            return self._source(facets, facet_named(facets, question))
        if facets:
            raise _which(facets)
        return self._whole

    def each(self) -> dict[str, BeliefSource]:
        """Return the sources of all facets, in the order of the questions."""
        with self.store.read() as connection:
            facets = all_facets(read_questions(connection))
        return {str(facet): self._source(facets, facet) for facet in facets}

    def sources(self) -> tuple[BeliefSource, ...]:
        """Return the sources of all facets, or that of the only question."""
        return tuple(self.each().values()) or (self._whole,)

    def sheet(self) -> AnswerSheet:
        """Return all answers that stand, of a project with several questions.

        Raises
        ------
        ConflictError
            If it has one, whose answers are `Project.annotations`.
        """
        with self.store.read() as connection:
            questions, given = read_questions(connection), read_annotations(connection)
        if not questions:
            raise ConflictError("this project has one question: its answers are project.annotations()")
        return answer_sheet(questions, given)

    def answers(self, text_ids: Iterable[str]) -> dict[str, str]:
        """Return what is believed of texts, by id: to each of several questions that somebody has answered.

        An answer is as it is written; texts about which nobody said anything are left out.
        """
        with self.store.read() as connection:
            questions = read_questions(connection)
        facets = all_facets(questions)
        classes = [question.facet_classes for question in questions for _ in question.facets]
        texts = [self._source(facets, facet).now().texts for facet in facets]
        found: dict[str, str] = {}
        for text_id in text_ids:
            code = []
            for of_facet, names in zip(texts, classes, strict=True):
                one = of_facet.find(text_id)
                said = one is not None and one.label is not None and one.n_annotations > 0
                code.append(names.index(one.label) if said and one is not None else NOT_ASKED)
            if any(label != NOT_ASKED for label in code):
                found[text_id] = answer_written(questions, code)
        return found

    def keep(self) -> tuple[ProjectBelief, ...]:
        """Compute all figures of all questions and keep them: see `BeliefSource.keep`."""
        return tuple(source.keep() for source in self.sources())

    def are_kept(self) -> bool:
        """Whether figures of all questions are kept."""
        return all(source.kept() is not None for source in self.sources())

    def describe(self, *, today: bool = False) -> QuestionsBelief | None:
        """Return how all questions stand; None where there is one.

        Parameters
        ----------
        today
            Whether all is of this moment; otherwise what is slow is as it was kept last.
        """
        found = [_belief(name, source, today=today) for name, source in self.each().items()]
        return _together(tuple(found)) if found else None

    def _source(self, facets: tuple[Facet, ...], facet: Facet) -> BeliefSource:
        with self._lock:
            key = facets.index(facet), facet  # classes come and go
            if key not in self._sources:
                self._sources[key] = BeliefSource(
                    self.store,
                    self._clock,
                    self._random_arm,
                    lambda connection: self._read(connection).at(facet),
                    f"{BELIEFS}:{facets.index(facet)}",
                )
            return self._sources[key]

    def _read(self, connection: Connection) -> Moment:
        """Read what is about all questions; once for all that ask while nothing changes."""
        with self._reading:
            if self._moment is None or self._moment.basis.version != read_version(connection):
                with self.store.read() as fresh:
                    self._moment = read_inputs(fresh)
            return self._moment


def _belief(name: str, source: BeliefSource, *, today: bool) -> FacetBelief:
    now = source.now() if today else source.recent()
    kept = now if today else source.kept()
    alpha = now.agreement.by_chance.alpha
    model = None if kept is None else kept.audit.model
    last = kept.verdicts[-1].verdicts if kept is not None and kept.verdicts else ()
    return FacetBelief(
        question=name,
        answers=now.basis.labels,
        texts=now.basis.texts,
        agreement=None if alpha is None else alpha.estimate,
        quality=now.consensus.quality,
        accuracy=None if model is None else model.accuracy,
        macro_f1=None if model is None else model.macro_f1,
        done=any(one.stop for one in last),
    )


def _together(facets: tuple[FacetBelief, ...]) -> QuestionsBelief:
    """Return how all questions stand: the mean, and the worst."""
    f1 = [None if one.macro_f1 is None else one.macro_f1.estimate for one in facets]
    quality = [one.quality for one in facets]
    judged = f1 if any(value is not None for value in f1) else quality
    known = [(value, one.question) for value, one in zip(judged, facets, strict=True) if value is not None]
    return QuestionsBelief(
        facets=facets,
        worst=min(known)[1] if known else None,
        macro_f1=_mean(f1),
        quality=_mean(quality),
        done=2 * sum(one.done for one in facets) > len(facets),
        worst_done=all(one.done for one in facets),
    )


def _mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if len(known) == len(values) and known else None
