"""The audit sample of a project: what it tells, what a larger one would tell, and how it grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt

from jurybox.project.auditing import Accuracy
from jurybox.project.basis import Basis, Moment
from jurybox.project.handle import ProjectPart
from jurybox.store import overview
from jurybox.store.arrivals import grow_audit
from jurybox.store.clusters import labels_at_once
from jurybox.store.editing import delete_labels
from jurybox.store.history import note_event
from jurybox.store.settings import ProjectSettings
from jurybox.trust.intervals import wilson

WITHIN = 0.1
"""Half the width of an interval that says enough: ten points either way."""

_SHARE = 0.75  # accuracy before anything is known
_LABELS_ERR = 1.1  # so much wider is the interval than if the labels of the audit were the truth
_MORE = (20, 50, 100, 200)


@dataclass(frozen=True)
class AuditSize:
    """What an audit sample of some size tells, and what it takes to get there.

    Attributes
    ----------
    texts
        Texts of the sample.
    within
        Half the width of the accuracy's 95 % interval, as expected once all of them are labelled.
    labels, cost
        Labels that are still to be given for it, and their price; None without a price of a label.
    """

    texts: int
    within: float
    labels: int
    cost: float | None


@dataclass(frozen=True)
class AuditPlan:
    """The audit sample as it is, and what further texts would bring.

    Attributes
    ----------
    basis
        What it rests on.
    texts, labelled
        Texts of the sample, and those among them that have a label.
    counted
        Texts that the last judged model was judged by; 0 before there is one. Texts that have joined since do
        not count before the next round.
    within
        Half the width of its accuracy's 95 % interval; None before there is one.
    now
        The sample as it is once all of it is labelled.
    larger
        Larger samples, as far as there are texts for them.
    enough
        The smallest sample that is expected to tell the accuracy within `WITHIN`; None where there are too
        few texts.
    """

    basis: Basis
    texts: int
    labelled: int
    counted: int
    within: float | None
    now: AuditSize
    larger: tuple[AuditSize, ...]
    enough: AuditSize | None


class Audit(ProjectPart):
    """The audit sample of a stored project: drawn at random, and never trained on."""

    def texts(self) -> list[str]:
        """Return the ids of its texts."""
        with self.store.read() as connection:
            return overview.read_audit(connection)

    def grow(self, n: int, *, by: str | None = None) -> int:
        """Draw n further texts at random, from those that a strategy has chosen and those that none has.

        They leave every training set, tuned encoders included, with the round that this asks for; before it
        they do not count. Labels that were given to whole clusters are taken back. `Beliefs.audit_plan` says
        what it brings and costs.

        Parameters
        ----------
        by
            Who does it, for the history.

        Returns
        -------
        int
            Texts of the sample now.

        Raises
        ------
        InputError
            If n is below 1, or there are not so many texts outside the sample.
        """
        with self.store.write() as connection:
            drawn = grow_audit(connection, n, now=self._clock())
            delete_labels(connection, labels_at_once(connection, drawn), now=self._clock())
            note_event(connection, "grow audit", str(n), by=by, now=self._clock())
        return len(self.texts())


def plan_audit(inputs: Moment, accuracy: Sequence[Accuracy]) -> AuditPlan:
    """Return what the audit sample tells, and what a larger one would.

    Parameters
    ----------
    inputs
        What it rests on.
    accuracy
        Of each round's model.
    """
    annotations, audit, settings = inputs.annotations, inputs.evidence.audit, inputs.settings
    last = accuracy[-1] if accuracy else None
    within = None if last is None else (last.high - last.low) / 2
    counted = 0 if last is None else last.n_texts
    texts, N = len(audit), int(inputs.present.sum())
    open_labels = int((settings.audit_labels - annotations.n_labels[audit]).clip(0).sum())

    def size(n: int) -> AuditSize:
        labels = open_labels + (n - texts) * settings.audit_labels
        price = settings.cost_per_label
        tells = counted >= _LEAST or n == counted  # what was found holds for a sample of its own size
        known = (within, counted) if within is not None and tells else None
        return AuditSize(n, expected_width(n, known), labels, None if price is None else price * labels)

    needed = next((n for n in range(max(texts, 1), N + 1) if size(n).within <= WITHIN), None)
    return AuditPlan(
        basis=inputs.basis,
        texts=texts,
        labelled=int(annotations.labelled[audit].sum()),
        counted=counted,
        within=within,
        now=size(texts),
        larger=tuple(size(texts + more) for more in _MORE if texts + more <= N),
        enough=None if needed is None else size(needed),
    )


_LEAST = 10  # texts below which an interval says little of what the next ones bring


def expected_width(texts: int, known: tuple[float, int] | None = None) -> float:
    """Return half the width of the accuracy's 95 % interval that so many labelled audit texts give.

    It shrinks with the square root of their number: from what is known, or else from the interval of Wilson
    of a model that is right on three texts of four, a tenth wider, since labels err.

    Parameters
    ----------
    texts
        Of the sample; 0 tells nothing.
    known
        Half the width that was found, and the number of texts that gave it.

    Examples
    --------
    >>> [round(expected_width(n), 2) for n in (15, 90, 200)], expected_width(80, (0.2, 20))
    ([0.22, 0.1, 0.07], 0.1)
    """
    if texts == 0:
        return 0.5
    if known is not None:
        width, counted = known
        return min(width * sqrt(counted / texts), 0.5)
    found = wilson(_SHARE * texts, texts)
    return _LABELS_ERR * (found.high - found.low) / 2


def usual_size(texts: int, settings: ProjectSettings) -> int:
    """Return how many of so many texts the sample of a new project has, as its settings say."""
    return min(settings.audit_size, int(settings.audit_share * texts))


def sizes_for(texts: int, settings: ProjectSettings) -> tuple[AuditSize, ...]:
    """Return samples that a new project of so many texts may begin with, the one of its settings among them.

    Examples
    --------
    >>> [(size.texts, size.labels) for size in sizes_for(300, ProjectSettings())]
    [(30, 90), (60, 180), (90, 270), (120, 360), (150, 450)]
    """
    usual = usual_size(texts, settings)
    price, labels = settings.cost_per_label, settings.audit_labels
    sizes = sorted({usual, *(ceil(usual * part / 3) for part in (1, 2, 4, 5))} - {0})
    return tuple(
        AuditSize(n, expected_width(n), labels * n, None if price is None else price * labels * n)
        for n in sizes
        if n <= texts
    )
