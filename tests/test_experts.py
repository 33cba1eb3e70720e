"""Reviewers: their labels outweigh a few ordinary ones everywhere, and stay annotations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jurybox.annotations import Annotations
from jurybox.arrays import Ints
from jurybox.classifiers.head import Head
from jurybox.consensus import estimate_consensus
from jurybox.datasets.demo import load_demo
from jurybox.errors import InputError
from jurybox.formats.records import AnnotationRecord
from jurybox.loop import Settings, play_round
from jurybox.project import Project
from jurybox.store.records import Role
from jurybox.store.settings import ProjectSettings
from jurybox.strategies import STRATEGIES, posterior
from jurybox.trust.labels import label_errors
from support.strategies import annotation_sets, random_probabilities

# Random probabilities may agree with people's labels as little as they like.
pytestmark = pytest.mark.filterwarnings("ignore::jurybox.doubts.PredProbsWarning")

GOOD, REVIEWER = 4, 4  # four good annotators, who come before the reviewer
EXPERTS = np.array([False] * GOOD + [True])


def crowd_with_reviewer(n: int = 200, accuracy: float = 0.95) -> tuple[Annotations, Ints]:
    """Three labels a text by good annotators; on text 0 all three say 0 and the reviewer says 1."""
    rng = np.random.default_rng(0)
    truth = rng.integers(2, size=n)
    truth[0] = 1
    annotator = np.concatenate([rng.permutation(GOOD)[:3] for _ in range(n)])
    text = np.repeat(np.arange(n), 3)
    label = np.where(rng.random(3 * n) < accuracy, truth[text], 1 - truth[text])
    label[:3] = 0
    annotations = Annotations.from_indices(
        np.append(text, 0),
        np.append(annotator, REVIEWER),
        np.append(label, 1),
        texts=n,
        annotators=5,
        classes=2,
    )
    return annotations, truth


@pytest.mark.parametrize("accuracy", [0.75, 0.85, 0.95])
@pytest.mark.parametrize("model", [None, 0.3, 0.05])
def test_a_reviewer_outweighs_three_annotators_and_a_model(accuracy: float, model: float | None) -> None:
    annotations, truth = crowd_with_reviewer(accuracy=accuracy)
    p = None
    if model is not None:
        p = np.where(np.eye(2)[truth] == 1, 0.8, 0.2)
        p[0] = [1 - model, model]
    found = estimate_consensus(annotations, p, experts=EXPERTS)
    assert found.labels[0] == 1
    assert estimate_consensus(annotations, p).labels[0] == 0


def test_a_reviewer_can_be_outweighed() -> None:
    rng = np.random.default_rng(1)
    N, M = 200, 9
    truth = rng.integers(2, size=N)
    label = np.where(rng.random((N, M)) < 0.9, truth[:, None], 1 - truth[:, None])
    label[0] = truth[0]
    text, annotator = np.indices((N, M))
    slip = np.append(label.ravel(), 1 - truth[0])
    annotations = Annotations.from_indices(
        np.append(text.ravel(), 0),
        np.append(annotator.ravel(), M),
        slip,
        texts=N,
        annotators=M + 1,
        classes=2,
    )
    found = estimate_consensus(annotations, experts=np.arange(M + 1) == M)
    assert found.labels[0] == truth[0]


def test_a_reviewer_who_is_only_right_on_hard_texts_does_not_make_the_crowd_look_bad() -> None:
    annotations, _ = crowd_with_reviewer()
    with_reviewer = estimate_consensus(annotations, experts=EXPERTS)
    alone = estimate_consensus(annotations.subset(annotators=~EXPERTS))
    np.testing.assert_allclose(with_reviewer.crowd, alone.crowd, atol=0.02)


def test_two_reviewers_who_differ_leave_it_to_the_others() -> None:
    annotations = Annotations.from_wide(
        [[0, 0, 1, 0], [1, 1, None, None], [0, 0, None, None], [1, 1, None, None], [0, 0, None, None]]
    )
    found = estimate_consensus(annotations, experts=[False, False, True, True])
    assert found.labels.tolist() == [0, 1, 0, 1, 0]


@pytest.mark.slow
@settings(max_examples=30)
@given(annotation_sets(), st.booleans())
def test_no_expert_is_as_before(annotations: Annotations, with_model: bool) -> None:
    p = random_probabilities(annotations, 0) if with_model else None
    nobody = np.zeros(annotations.n_annotators, dtype=bool)
    one, other = estimate_consensus(annotations, p), estimate_consensus(annotations, p, experts=nobody)
    np.testing.assert_array_equal(one.posterior, other.posterior)
    everybody = estimate_consensus(annotations, p, experts=~nobody)
    np.testing.assert_allclose(everybody.posterior.sum(axis=1), 1)


def test_a_decision_is_believed_and_other_labels_of_whoever_decided_are_votes() -> None:
    annotations, truth = crowd_with_reviewer(accuracy=0.85)
    others = annotations.extend(np.arange(1, 60), np.full(59, REVIEWER), 1 - truth[1:60])
    assert estimate_consensus(others).labels[0] == 0
    decided = replace(others, decided=(others.annotator == REVIEWER) & (others.text == 0))
    assert np.asarray(decided.decided).sum() == 1
    found, p = estimate_consensus(decided), np.tile([0.8, 0.2], (len(truth), 1))
    assert found.labels[0] == 1
    assert estimate_consensus(decided, p, check=False).labels[0] == 1
    assert found.annotators.quality[REVIEWER] < 0.3  # who otherwise is always wrong
    assert (found.labels[1:] == truth[1:]).mean() > 0.9
    alone = decided.subset(texts=[*range(60, len(truth)), 0])
    assert np.asarray(alone.decided).sum() == 1
    assert np.isnan(estimate_consensus(alone).annotators.quality[REVIEWER])
    errors = label_errors(decided, p)
    assert (errors.labels[0], errors.texts[0] < 0.2) == (1, True)


def test_wrong_masks_are_refused() -> None:
    annotations, _ = crowd_with_reviewer()
    with pytest.raises(InputError, match=r"experts has shape \(2,\)"):
        estimate_consensus(annotations, experts=[True, False])
    with pytest.raises(InputError, match="type int"):
        estimate_consensus(annotations, experts=[0, 0, 0, 0, 1])


@pytest.mark.slow
def test_a_round_trains_on_what_the_reviewer_says() -> None:
    annotations, truth = crowd_with_reviewer()
    rng = np.random.default_rng(0)
    x = np.column_stack([2.0 * truth - 1, np.zeros(len(truth))]) + rng.normal(size=(len(truth), 2))
    x[0] = [-1.5, 4]  # looks like class 0
    p = np.full((len(truth), 2), 0.5)
    assert posterior(annotations, p, EXPERTS, rng)[0, 1] > 0.9 > posterior(annotations, p, None, rng)[0, 1]
    for name in STRATEGIES:
        settings = Settings(name, classifier=Head())
        played = play_round(annotations, x, settings, np.random.default_rng(0), experts=EXPERTS)
        follows = name not in ("activelab", "random")  # published methods know no experts
        assert played.consensus.labels[0] == follows
        assert play_round(annotations, x, settings, np.random.default_rng(0)).consensus.labels[0] == 0


@pytest.mark.slow
def test_an_adjudicated_text_follows_the_reviewer_in_a_stored_project(location: str) -> None:
    demo = load_demo(n_pool=200, n_test=10)
    assert demo.gold is not None
    classes = [str(name) for name in demo.classes]
    texts = list(zip(map(str, demo.texts), demo.pool_texts, strict=True))
    wrong = classes[1 - demo.gold[7]]
    records = [
        AnnotationRecord(texts[i][0], name, wrong if i == 7 else classes[demo.gold[i]])
        for i in range(60)
        for name in ("ana", "ben", "chloe")
    ]
    plan = ProjectSettings(encoder="tfidf", audit_size=0, overlap=0, seed=1)
    with Project.create(location, classes=classes, texts=texts, settings=plan) as project:
        project.add_annotations(records)
        project.refit()
        assert project.consensus().labels[7] == 1 - demo.gold[7]
        project.people.add("rita", role=Role.REVIEWER)
        project.adjudicate(texts[7][0], classes[demo.gold[7]], reviewer="rita")
        before = project.beliefs.now().inputs.pred_probs
        assert project.consensus().labels[7] == demo.gold[7]
        project.refit()
        after = project.beliefs.now().inputs.pred_probs
        assert project.consensus().labels[7] == demo.gold[7]
        assert len(list(project.reading.annotation_records())) == 181  # nothing was overwritten
        project.people.set_role("rita", Role.ANNOTATOR)
        assert project.consensus().labels[7] == 1 - demo.gold[7]
    assert before is not None
    assert after is not None
    assert not np.array_equal(before, after)


@pytest.fixture
def disputed(location: str, tmp_path: Path) -> Iterator[Project]:
    """Texts on which three annotators agree, all of them wrong on t0, and an owner."""
    plan = ProjectSettings(encoder="tfidf", audit_size=0, overlap=0, max_labels=5, enough_agreement=None)
    texts = [(f"t{n}", f"text {n}") for n in range(40)]
    with Project.create(
        location, texts=texts, classes=["no", "yes"], settings=plan, cache=tmp_path
    ) as project:
        project.people.add("olga", role=Role.OWNER)
        for name in ("ana", "ben", "cem"):
            project.people.add(name)
            for n in range(40):
                project.submit(f"t{n}", "yes" if n % 2 else "no", annotator=name)
        yield project


@pytest.mark.slow
def test_an_owner_who_decides_is_a_reviewer_and_one_who_labels_a_voter(disputed: Project) -> None:
    project = disputed
    assert not project.settings.owners_review
    project.submit("t2", "yes", annotator="olga")
    assert project.consensus().labels[2] == 0  # one vote against three
    before = project.beliefs.now().texts.find("t0")
    project.adjudicate("t0", "yes", reviewer="olga")
    belief = project.beliefs.now().texts.find("t0")
    assert before is not None
    assert belief is not None
    assert (before.label, belief.label) == ("no", "yes")
    assert (belief.quality or 0) > 0.9
    assert project.consensus().labels[2] == 0
    project.adjudicate("t2", "yes", reviewer="olga")  # what was a vote is decided
    assert project.consensus().labels[2] == 1
    (person,) = (one for one in project.beliefs.now().annotators if one.name == "olga")
    assert (person.n_annotations, person.quality) == (2, None)  # nothing but decisions: nothing is estimated


@pytest.mark.slow
def test_a_decision_that_is_changed_is_still_one(disputed: Project) -> None:
    disputed.adjudicate("t0", "yes", reviewer="olga")
    disputed.change("olga", "t0", "yes", comment="because")
    assert disputed.consensus().labels[0] == 1
    assert disputed.review.decided() == {"t0"}
    assert disputed.edit.delete_labels_of(["t0"]) == 4
    disputed.edit.history.undo(disputed.edit.history.last_number())
    assert disputed.consensus().labels[0] == 1
