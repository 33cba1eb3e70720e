"""Several questions and several classes: what the loop is worth against the methods proposed for it.

Run with ``python benchmarks/multilabel.py --data ../shared/data/cebab-aspects [--seeds 10] [--out F.json]``.
``annotations.csv`` has id, annotator, label and perhaps question; a label with pipes, or several rows of one
annotator about a text, are several classes. ``texts.csv`` has id, text and perhaps split; where it has none,
texts are divided by ``original``, whose edits they are, else one by one. Besides, a corpus with eight classes
a text is generated, some of them rare, by annotators who say yes too readily or too seldom.

In each round the best-ranked texts are asked about until the round's labels are spent: for each question
somebody who has not been asked yet answers. All methods start from the same labels, pay as many, and have the
same features and the same head. Rivals:

- ``activelab``: each class against the rest, labels by CROWDLAB, texts by the mean of the classes' ActiveLab
  scores, as cleanlab's pull request 1327 proposes;
- ``majority``: each class against the rest, labels by majority, texts at random.

``error_ratio`` is the geometric mean of 1 - macro-F1 on the test texts over questions, rounds and seeds,
divided by that of the better rival; its interval is Student's over seeds, paired.

``--ways`` compares, by second of people's time, asking for texts whole with asking for what is unsure alone
(``ask = unsure``). How long it takes to read a text and to answer for an item is assumed, and varied: each
way has as many seconds in each round as the first takes for the round's labels.

``--page`` writes the tables into docs/several-answers.md.
"""

from __future__ import annotations

import argparse
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import expit
from scipy.stats import t as student

from jurybox import Annotations, AnswerSheet, JointRound, Question, Settings, play_questions
from jurybox.arrays import Bools, Floats, Ints
from jurybox.curves import macro_f1
from jurybox.encoders import FeatureCache, fit_views, get_encoders
from jurybox.questions import Facet
from real_crowds_report import between

OUT = Path(__file__).resolve().parent / "results" / "multilabel.json"
PAGE = Path(__file__).resolve().parent.parent / "docs" / "several-answers.md"
CACHE = Path(__file__).resolve().parent / "cache" / "features"
START, END = "<!-- made by benchmarks/multilabel.py -->", "<!-- end of benchmarks/multilabel.py -->"
WAYS_START = "<!-- made by benchmarks/multilabel.py --ways -->"
WAYS_END = "<!-- end of benchmarks/multilabel.py --ways -->"
RIVALS = {"activelab": "activelab", "majority": "random"}
METHODS = ("ours", "ours by item", *RIVALS)
NAMES = {
    "ours": "jurybox, whole texts",
    "ours by item": "jurybox, the unsure items alone",
    "activelab": "mean of K binary ActiveLab scores",
    "majority": "one against the rest, majority, at random",
    "ours at one half": "jurybox, whole texts, the likeliest answers",
}
READING, ANSWERING = 10.0, 2.0
"""Seconds to read a text and to answer for an item: assumed, for figures a second."""

ASSUMED = ((2.0, 2.0), (10.0, 2.0), (40.0, 2.0), (10.0, 5.0))
"""Seconds to read and to answer by which both ways of asking are compared: from a post to a page."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """A pool with all that people said of it, and test texts with the truth of each question (n, F).

    The texts themselves are those of the pool, then those of the test.
    """

    name: str
    answers: AnswerSheet
    pool: Floats
    test: Floats
    truth: dict[Facet, Ints]
    texts: Sequence[str]


def main() -> None:
    """Play all methods on all corpora, and write JSON after each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=None)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--labels", type=int, default=None, help="a round; default: an eighth of the texts'")
    parser.add_argument("--texts", type=int, default=600, help="of the pool, and as many for the test")
    parser.add_argument("--encoder", default="minilm")
    parser.add_argument("--no-generated", dest="generated", action="store_false")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=METHODS)
    parser.add_argument("--page", action="store_true", help="write the table into the page")
    parser.add_argument("--ways", action="store_true", help="compare ways of asking by second instead")
    arguments = parser.parse_args()
    if arguments.ways and arguments.out == OUT:
        arguments.out = OUT.with_name("multilabel_ways.json")
    report: dict[str, Any] = {
        "machine": f"{platform.machine()}, Python {platform.python_version()}",
        "seeds": arguments.seeds, "rounds": arguments.rounds, "texts": arguments.texts,
        "reading": READING, "answering": ANSWERING, "corpora": {},
    }  # fmt: skip
    corpora = [] if arguments.data is None else [arguments.data]
    for source in [*corpora, *(["generated"] if arguments.generated else [])]:
        if isinstance(source, Path):
            corpus, encoder = read_folder(source, arguments.texts, arguments.encoder), arguments.encoder
        else:
            corpus, encoder = generated(arguments.texts), "tfidf"
        labels = arguments.labels or max(len(corpus.answers.facets) * arguments.texts // 24, 10)
        runs = []
        for seed in range(arguments.seeds):
            if arguments.ways:
                runs += play_ways(corpus, arguments.rounds, labels, seed)
                found = {"encoder": encoder, "labels": labels, "ways": ways(runs), "runs": runs}
                report["corpora"][corpus.name] = found
                arguments.out.write_text(json.dumps(report, indent=1) + "\n")
                print(corpus.name, seed, found["ways"], flush=True)
                continue
            runs += [play(corpus, name, arguments.rounds, labels, seed) for name in arguments.methods]
            report["corpora"][corpus.name] = {
                "encoder": encoder,
                "labels": labels,
                **summary(runs),
                "runs": runs,
            }
            first = next(iter(report["corpora"].values()))
            report["error_ratio"] = first.get("error_ratio")
            arguments.out.write_text(json.dumps(report, indent=1) + "\n")
            print(corpus.name, seed, report["corpora"][corpus.name].get("ratios"), flush=True)
    if arguments.page:
        write_page(report)


def read_folder(folder: Path, n_texts: int, encoder: str) -> Corpus:
    """Read a folder in long format, draw texts of the pool and of the test, and encode them."""
    folder = Path(folder).resolve()
    texts = pd.read_csv(folder / "texts.csv", dtype=str, keep_default_na=False).drop_duplicates("id")
    rows = pd.read_csv(folder / "annotations.csv", dtype=str, keep_default_na=False)
    if "question" not in rows:
        rows["question"] = "labels"
    rows = rows[rows["label"] != ""]
    keys = ["id", "annotator", "question"]
    if rows.duplicated(keys).any():
        rows = rows.groupby(keys, sort=False)["label"].agg(list).reset_index()
    texts = texts[texts["id"].isin(rows["id"])]
    is_test = _test_texts(texts)
    rng = np.random.default_rng(0)
    drawn = [rng.permutation(texts.index[chosen])[:n_texts] for chosen in (~is_test, is_test)]
    ids, test_ids = (texts.loc[part, "id"].to_numpy() for part in drawn)
    both = rows[rows["id"].isin([*ids, *test_ids])]
    sheet = AnswerSheet.from_long(both, columns={"text": "id", "answer": "label"}, texts=[*ids, *test_ids])
    words = dict(zip(texts["id"], texts["text"], strict=True))
    views = fit_views(get_encoders(encoder), [words[one] for one in ids], cache=FeatureCache(CACHE))
    place = np.arange(sheet.n_texts)
    held = sheet.subset(texts=place >= len(ids))
    pool, test = (
        np.asarray(views.rows([words[one] for one in part]), dtype=np.float64) for part in (ids, test_ids)
    )
    own = sheet.subset(texts=place < len(ids))
    every = [words[one] for one in [*ids, *test_ids]]
    return Corpus(folder.name, own, pool, test, held.each(_majority), every)


def _test_texts(texts: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which texts (n,) are for the test: as the table says, else a third, edits of one together."""
    if "split" in texts and (texts["split"] == "test").any():
        return (texts["split"] == "test").to_numpy()
    group = texts["original"] if "original" in texts else texts["id"]
    names = np.random.default_rng(0).permutation(group.unique())
    return group.isin(names[: len(names) // 3]).to_numpy()


def _majority(annotations: Annotations) -> Ints:
    """Return the one class that most annotators gave each text (n,); -1 where there is none."""
    most = annotations.counts == annotations.counts.max(axis=1, keepdims=True)
    known = annotations.labelled & (most.sum(axis=1) == 1)
    return np.where(known, annotations.counts.argmax(axis=1), -1)


def generated(n_texts: int, seed: int = 0) -> Corpus:
    """Make texts of words with eight classes, and annotators with habits of their own at all classes."""
    rng = np.random.default_rng(seed)
    shares = np.array([0.45, 0.3, 0.2, 0.15, 0.1, 0.08, 0.05, 0.03])
    C, M, N = len(shares), 25, 2 * n_texts
    true = rng.random((N, C)) < expit(np.log(shares / (1 - shares)) + 0.7 * rng.normal(size=(N, 1)) - 0.2)
    texts = []
    for row in true:
        words = [f"filler{w}" for w in rng.integers(0, 250, 12)]
        for c in np.flatnonzero(row):  # a word of a class is, one time in four, that of its neighbour
            at = np.where(rng.random(3) < 0.25, (c + 1) % C, c)[: rng.integers(1, 4)]
            words += [f"class{k}word{w}" for k, w in zip(at, rng.integers(0, 12, len(at)), strict=True)]
        texts.append(" ".join(rng.permutation(words)))
    skill, habit = rng.normal(1.8, 0.5, M), rng.normal(0, 0.8, M)
    bias, ease = rng.normal(0, 0.5, (M, C)), rng.normal(1.2, 0.7, (N, C))
    who = np.array([rng.choice(M, 4, replace=False) for _ in range(n_texts)])
    text = np.repeat(np.arange(n_texts), 4)
    one = who.ravel()
    logit = skill[one, None] * np.where(true[text], 1, -1) * ease[text] + habit[one, None] + bias[one] - 0.4
    said = rng.random((len(text), C)) < expit(logit)
    names = tuple(f"class {c}" for c in range(C))
    question = Question("topics", "several", names)
    facets = {
        facet: Annotations.from_indices(
            text, one, said[:, k].astype(int), texts=n_texts, annotators=M, classes=("no", "yes")
        )
        for k, facet in enumerate(question.facets)
    }
    views = fit_views(get_encoders("tfidf"), texts[:n_texts])
    pool, test = (
        np.asarray(views.rows(part), dtype=np.float64) for part in (texts[:n_texts], texts[n_texts:])
    )
    truth = {facet: true[n_texts:, k].astype(np.int64) for k, facet in enumerate(question.facets)}
    return Corpus("generated", AnswerSheet((question,), facets), pool, test, truth, texts)


class Crowd:
    """People who answer from what was answered, each question of a text once."""

    def __init__(self, answers: AnswerSheet, rng: np.random.Generator) -> None:
        self.answers, self._rng = answers, rng
        self._free: dict[Facet, Bools] = {
            f: np.ones(len(each), dtype=bool) for f, each in answers.facets.items()
        }
        self.given = AnswerSheet(answers.questions, answers.each(_none_of))

    def left(self) -> Bools:
        """Return which items (N, F) somebody can still answer."""
        return np.column_stack(
            [
                np.bincount(each.text[self._free[facet]], minlength=each.n_texts) > 0
                for facet, each in self.answers.facets.items()
            ]
        )

    def ask(
        self,
        texts: Sequence[int],
        items: Bools,
        labels: int = 10**9,
        *,
        most: float = np.inf,
        reading: float = READING,
        answering: float = ANSWERING,
    ) -> float:
        """Ask about some items (N, F) of texts in order until so many labels are given, or seconds spent.

        Returns the seconds that it took.
        """
        seconds, spent = 0.0, 0
        found: dict[Facet, list[int]] = {facet: [] for facet in self.answers.facets}
        facets = list(self.answers.facets)
        for text in texts:
            before = spent
            for question in self.answers.questions:
                wanted = [facet for facet in question.facets if items[text, facets.index(facet)]]
                rows = self._rows(text, wanted)[: max(labels - spent, 0)]
                for facet, row in rows:
                    found[facet].append(row)
                    self._free[facet][row] = False
                spent += len(rows)
            seconds += (spent > before) * reading + (spent - before) * answering
            if spent >= labels or seconds >= most:
                break
        new = {
            facet: (each.text[at], each.annotator[at], each.label[at])
            for facet, each in self.answers.facets.items()
            if (at := np.array(found[facet], dtype=np.int64)).size
        }
        self.given = self.given.extend(new)
        return seconds

    def _rows(self, text: int, wanted: list[Facet]) -> list[tuple[Facet, int]]:
        """Let one person answer for the facets of a question that are wanted; return the rows."""
        at = {}
        for facet in wanted:
            each = self.answers[facet]
            first, last = np.searchsorted(each.text, [text, text + 1])
            at[facet] = [row for row in range(first, last) if self._free[facet][row]]
        people = sorted({int(self.answers[facet].annotator[row]) for facet in at for row in at[facet]})
        if not people:
            return []
        person = self._rng.choice(people)
        return [(f, row) for f in at for row in at[f] if self.answers[f].annotator[row] == person]


def _none_of(annotations: Annotations) -> Annotations:
    return annotations.with_triplets([], [], [])


def against_rest(sheet: AnswerSheet) -> AnswerSheet:
    """Return each class of questions with one answer as a class that may be given or not."""
    questions: list[Question] = []
    facets: dict[Facet, Annotations] = {}
    for question in sheet.questions:
        if question.kind == "several":
            questions.append(question)
            facets |= {facet: sheet[facet] for facet in question.facets}
            continue
        own = sheet[question.name]
        split = Question(question.name, "several", own.classes)
        questions.append(split)
        for k, facet in enumerate(split.facets):
            facets[facet] = Annotations.from_indices(
                own.text, own.annotator, (own.label == k).astype(int),
                texts=own.texts, annotators=own.annotators, classes=("no", "yes"),
            )  # fmt: skip
    return AnswerSheet(tuple(questions), facets)


def play(corpus: Corpus, method: str, rounds: int, labels: int, seed: int) -> dict[str, Any]:
    """Play one method, and return labels, seconds and macro-F1 of each question, by round."""
    rng = np.random.default_rng(seed)
    crowd = Crowd(corpus.answers, rng)
    everything = np.ones((corpus.answers.n_texts, len(corpus.answers.facets)), dtype=bool)
    seconds = crowd.ask(rng.permutation(corpus.answers.n_texts).tolist(), everything, labels)
    ours = method not in RIVALS
    settings = Settings(strategy="default" if ours else RIVALS[method])
    current: JointRound | None = None
    run: dict[str, Any] = {"method": method, "seed": seed, "labels": [], "seconds": [], "macro_f1": []}
    half = []
    for _ in range(rounds):
        left = crowd.left()
        sheet = crowd.given if ours else against_rest(crowd.given)
        repeats = [1 if ours or q.kind == "several" else len(q.classes) for q in _by_facet(crowd.given)]
        current = play_questions(
            sheet, corpus.pool, settings, rng, previous=current, eligible=np.repeat(left, repeats, axis=1),
            measure="macro_f1" if ours else "micro_f1",
            reading=READING / ANSWERING if method == "ours by item" else None,
        )  # fmt: skip
        p = current.predict_proba(corpus.test)
        thresholds = current.thresholds if ours else {}
        run["labels"].append(len(crowd.given))
        run["seconds"].append(seconds)
        run["macro_f1"].append(scores(corpus, p, thresholds))
        half.append(scores(corpus, p, {}))
        texts, items = current.ranking.texts.tolist(), everything
        if current.asked is not None:
            items = current.asked
        seconds += crowd.ask(texts, items, labels)
    return run | ({"at_one_half": half} if method == "ours" else {})


def play_ways(corpus: Corpus, rounds: int, labels: int, seed: int) -> list[dict[str, Any]]:
    """Play both ways of asking; the second once for each assumption, with the seconds of the first."""
    whole = _play_way(corpus, rounds, seed, labels, None, [])
    return [whole, *(_play_way(corpus, rounds, seed, labels, way, whole["costs"]) for way in ASSUMED)]


def _play_way(
    corpus: Corpus,
    rounds: int,
    seed: int,
    labels: int,
    way: tuple[float, float] | None,
    costs: list[list[int]],
) -> dict[str, Any]:
    """Play one way from the same labels; `costs` are the texts and labels of each round of asking whole."""
    rng = np.random.default_rng(seed)
    crowd = Crowd(corpus.answers, rng)
    everything = np.ones((corpus.answers.n_texts, len(corpus.answers.facets)), dtype=bool)
    crowd.ask(rng.permutation(corpus.answers.n_texts).tolist(), everything, labels)
    current: JointRound | None = None
    run: dict[str, Any] = {"way": way, "seed": seed, "labels": [], "macro_f1": [], "costs": []}
    for number in range(rounds):
        current = play_questions(
            crowd.given, corpus.pool, Settings(), rng, previous=current, eligible=crowd.left(),
            reading=None if way is None else way[0] / way[1],
        )  # fmt: skip
        run["labels"].append(len(crowd.given))
        run["macro_f1"].append(scores(corpus, current.predict_proba(corpus.test), current.thresholds))
        texts = current.ranking.texts.tolist()
        if way is None:
            seconds = crowd.ask(texts, everything, labels, reading=1.0, answering=0.0)
            run["costs"].append([round(seconds), len(crowd.given) - run["labels"][-1]])
        elif current.asked is not None:
            n_texts, n_labels = costs[number]
            most = n_texts * way[0] + n_labels * way[1]
            crowd.ask(texts, current.asked, most=most, reading=way[0], answering=way[1])
    return run


def ways(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return, for each assumption, the error of asking for what is unsure as a share of asking whole."""
    log_error = {
        way: np.array([_log_error(run["macro_f1"][1:]) for run in runs if run["way"] == way])
        for way in (None, *ASSUMED)
    }
    labels = {
        way: float(np.mean([run["labels"][-1] for run in runs if run["way"] == way])) for way in log_error
    }
    return [
        {
            "reading": way[0],
            "answering": way[1],
            "whole": float(np.exp(log_error[None].mean())),
            "unsure": float(np.exp(log_error[way].mean())),
            "ratio": ratio(log_error[way] - log_error[None]),
            "labels": [labels[None], labels[way]],
        }
        for way in ASSUMED
    ]


def _by_facet(sheet: AnswerSheet) -> list[Question]:
    return [question for question in sheet.questions for _ in question.facets]


def scores(corpus: Corpus, p: dict[Facet, Floats], thresholds: Any) -> list[float]:
    """Return the macro-F1 of each question on the test texts."""
    found = []
    for question in corpus.answers.questions:
        if question.kind == "several":
            each = []
            for facet in question.facets:
                known = corpus.truth[facet] >= 0
                said = (p[facet] / thresholds.get(facet, 1.0)).argmax(axis=1)[known]
                each.append(f1(corpus.truth[facet][known] == 1, said == 1))
            found.append(float(np.mean(each)))
            continue
        own = Facet(question.name)
        known = corpus.truth[own] >= 0
        q = (
            p[own] / thresholds.get(own, 1.0)
            if own in p
            else np.column_stack([p[Facet(question.name, k)][:, 1] for k in question.classes])
        )
        found.append(macro_f1(corpus.truth[own][known], q.argmax(axis=1)[known], q.shape[1]))
    return found


def f1(true: Bools, said: Bools) -> float:
    """Return F1 of yes; 1 where nothing is to be said and nothing is."""
    both = true.sum() + said.sum()
    return float(2 * (true & said).sum() / both) if both else 1.0


def summary(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the geometric means of errors by method and the ratios to the better rival."""
    log_error = {
        name: np.array([_log_error(run["macro_f1"]) for run in runs if run["method"] == name])
        for name in METHODS
        if any(run["method"] == name for run in runs)
    }
    halves = [run["at_one_half"] for run in runs if "at_one_half" in run]
    log_error["ours at one half"] = np.array([_log_error(each) for each in halves])
    found: dict[str, Any] = {"error": {name: float(np.exp(each.mean())) for name, each in log_error.items()}}
    n = min(map(len, log_error.values()))
    rivals = [name for name in RIVALS if name in log_error]
    if not rivals or not n:
        return found
    better = min(rivals, key=lambda name: log_error[name].mean())
    ratios = {
        name: ratio(each[:n] - log_error[better][:n]) for name, each in log_error.items() if name != better
    }
    return found | {"better_rival": better, "error_ratio": ratios["ours"][0], "ratios": ratios}


def _log_error(macro: Any) -> float:
    return float(np.log(np.maximum(1 - np.array(macro), 1e-6)).mean())


def ratio(differences: Floats) -> list[float]:
    """Return the ratio of two geometric means and its 95 % interval, from logarithms by seed."""
    mean, n = float(differences.mean()), len(differences)
    wide = float(student.ppf(0.975, n - 1) * differences.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
    return [float(np.exp(mean + one)) for one in (0.0, -wide, wide)]


def write_page(report: dict[str, Any]) -> None:
    """Write the table into the page."""
    found = next(iter(report["corpora"].values()))
    start, end, lines = (
        (WAYS_START, WAYS_END, ways_lines(report)) if "ways" in found else (START, END, table_lines(report))
    )
    PAGE.write_text(between(PAGE.read_text(encoding="utf-8"), start, end, lines), encoding="utf-8")


def ways_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the table of both ways of asking by second, and what it rests on."""
    yield "| data | reading, s | answer, s | error, whole | error, unsure alone | ratio | answers of each |"
    yield "|---|---:|---:|---:|---:|---:|---:|"
    for name, found in report["corpora"].items():
        for way in found["ways"]:
            yield (
                f"| {name} ({found['encoder']}) | {way['reading']:.0f} | {way['answering']:.0f} "
                f"| {way['whole']:.3f} | {way['unsure']:.3f} "
                "| {:.3f} ({:.3f} to {:.3f}) ".format(*way["ratio"])
                + "| {:,.0f}, {:,.0f} |".format(*way["labels"])
            )
    seeds = min(len({run["seed"] for run in found["runs"]}) for found in report["corpora"].values())
    yield (
        f"\n{seeds} seeds, {report['rounds']} rounds, up to {report['texts']} texts in the pool and in the "
        "test; 95 % intervals, paired by seed. The seconds are assumed."
    )


def table_lines(report: dict[str, Any]) -> Iterator[str]:
    """Yield the table, and what it rests on."""
    yield "| data | method | error | against the better rival | macro-F1 at the end | labels | seconds |"
    yield "|---|---|---:|---:|---:|---:|---:|"
    for name, found in report["corpora"].items():
        for method, error in found["error"].items():
            runs = [run for run in found["runs"] if run["method"] == method.removesuffix(" at one half")]
            last = [run["at_one_half" if method.endswith("half") else "macro_f1"][-1] for run in runs]
            against = found["ratios"].get(method)
            said = "1" if against is None else "{:.3f} ({:.3f} to {:.3f})".format(*against)
            paid, took = (np.mean([run[key][-1] for run in runs]) for key in ("labels", "seconds"))
            yield (
                f"| {name} ({found['encoder']}) | {NAMES[method]} | {error:.3f} | {said} "
                f"| {np.mean(last):.3f} | {paid:,.0f} | {took:,.0f} |"
            )
    seeds = min(len({run["seed"] for run in found["runs"]}) for found in report["corpora"].values())
    yield (
        f"\n{seeds} seeds, {report['rounds']} rounds, up to {report['texts']} texts in the pool and in the "
        f"test; 95 % intervals, paired by seed. Seconds are {READING:.0f} to read a text and {ANSWERING:.0f} "
        "for each answer, which is assumed."
    )


if __name__ == "__main__":
    main()
