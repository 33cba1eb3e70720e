"""What the names of columns and fields say: their role, and whether such a column could be a person."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache

__all__ = [
    "JUDGMENT_IDS",
    "NAMES",
    "ROLES",
    "WEAK_ANNOTATORS",
    "is_known",
    "is_result",
    "names_annotator",
    "plain_name",
]
__all__ += ["family_of_labels", "header_at", "role_of"]

ROLES = ("id", "text", "annotator", "label", "seconds", "comment", "time")

WEAK_ANNOTATORS = (
    *("userid", "username", "user", "createdby", "createdusername", "reviewer", "reviewerid"),
    *("participant", "participantid", "respondent", "respondentid", "person", "personid"),
    *("email", "emailaddress", "expert", "expertid", "contributor", "contributorid", "performer"),
    *("performerid", "agent", "who", "name"),
)
"""Names of columns of people who may as well have written the texts: they count beside labels only."""

NAMES: dict[str, tuple[str, ...]] = {
    "annotator": (
        *("annotator", "annotatorid", "annotatorname", "annotatoremail", "annotatedby"),
        *("annotatorids", "worker", "workerid", "workername", "crowdworker", "crowdworkerid"),
        *("turker", "turkerid", "rater", "raterid", "ratername", "ratedby", "coder", "coderid"),
        *("codername", "codedby", "labeler", "labeller", "labelerid", "labellerid", "labelername"),
        *("labeledby", "labelledby", "judge", "judgeid", "judgename", "completedby", "evaluator"),
        *("evaluatorid", "assessor", "assessorid", "tagger", "taggedby", "grader", "graderid"),
        *("annotateur", "codeur", "kodierer", "anotador"),
        *WEAK_ANNOTATORS,
    ),
    "id": (
        *("id", "textid", "itemid", "exampleid", "documentid", "docid", "taskid", "sentenceid"),
        *("commentid", "tweetid", "postid", "messageid", "reviewid", "externalid", "sampleid"),
        *("unitid", "instanceid", "recordid", "dataid", "questionid", "utteranceid", "articleid"),
        *("inputid", "objectid", "rowid", "uid", "uuid", "guid", "item", "task", "key", "unit"),
        *("instance", "idx", "nr"),
    ),
    "text": (
        *("text", "texts", "sentence", "document", "content", "body", "utterance", "message"),
        *("tweet", "post", "review", "question", "input", "example", "textcontent", "fulltext"),
        *("tweettext", "posttext", "messagetext", "commenttext", "commentbody", "reviewtext"),
        *("sentencetext", "inputtext", "displayedtext", "documenttext", "rawtext", "passage"),
        *("paragraph", "snippet", "statement", "headline", "phrase", "prompt", "data", "texte"),
        *("texto",),
    ),
    "label": (
        *("label", "labels", "class", "category", "answer", "rating", "choice", "annotation"),
        *("judgment", "judgement", "labelname", "annotationlabel", "code", "vote", "decision"),
        *("verdict", "tag", "response", "result", "value", "score", "output", "classification"),
    ),
    "seconds": (
        *("seconds", "leadtime", "duration", "timespent", "elapsed", "elapsedseconds"),
        *("worktimeinseconds", "worktime", "durationinseconds", "durationseconds", "durationms"),
        *("elapsedms", "timespentms", "timespentseconds", "timetaken", "timeontask", "responsetime"),
        *("reactiontime", "rt"),
    ),
    "time": (
        *("time", "timestamp", "createdat", "annotatedat", "labelledat", "labeledat", "submittedat"),
        *("submittime", "updatedat", "completedat", "finishedat", "date", "datetime"),
        *("annotationtime", "submissiontime", "endtime"),
    ),
    "comment": ("comment", "comments", "note", "notes", "remark", "remarks", "annotatorcomment"),
}
"""Names of columns by role, without case and signs, the surest first."""

JUDGMENT_IDS = (
    *("annotationid", "assignmentid", "judgmentid", "judgementid", "responseid", "answerid", "labelid"),
    *("completionid", "submissionid", "ratingid", "voteid", "resultid", "unnamed0"),
)
"""Columns that number the judgments, not the texts."""


def _vocabulary(words: str) -> frozenset[str]:
    return frozenset(words.split())


_RESULTS = _vocabulary(
    """
    majority maj mv final consensus aggregate aggregated aggregation agreement agree gold golden truth
    true target prediction predictions predicted predict pred model machine auto adjudicated
    adjudication resolved expected correct reference hard soft mean avg average median mode std var sum
    total prob probability confidence conf quality entropy kappa alpha winner suggestion suggested
    silver label labels mehrheit mehrheitlich konsens endergebnis majorité mayoría consenso
    """
)
_COUNTS = _vocabulary(
    """
    n num nb no number count counts cnt freq frequency votes length len size position rank index idx
    order round batch page version year month day hour week age likes retweets shares upvotes downvotes
    words chars tokens level
    """
)
_FEATURES = _vocabulary(
    """
    is has have had was were are can does did contains contain with without flag exists reply replies
    retweet retweeted url urls link links mention mentions hashtag hashtags emoji emojis media image
    images photo video verified edited deleted private public quote quoted nsfw lang language source
    topic domain country gender sex fold split splits subset partition dataset train test dev valid
    validation duplicate duplicated truncated uppercase lowercase capitalized punctuation question
    exclamation negation sampled selected skipped active status type kind
    """
)
_NOBODY = _RESULTS | _COUNTS | _FEATURES
_PEOPLE = _vocabulary(
    """
    annotator annotateur annot anno ann rater coder worker judge labeler labeller user expert reviewer
    person participant evaluator assessor crowd turker tagger grader student rev
    """
)
_LABELS = _vocabulary(
    """
    label labels answer rating annotation vote choice class coding code judgment judgement tag
    """
)
_SHORT = re.compile(r"(?:[acejlprsuw]|an|rt|wk)[ _.-]?\d+", re.IGNORECASE)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_]+")


@lru_cache(4096)
def plain_name(name: str) -> str:
    """Return a name without case and signs: "Worker_ID" and "workerId" are the same.

    Examples
    --------
    >>> plain_name("Worker_ID")
    'workerid'
    """
    return re.sub(r"[\W_]", "", name.casefold())


def role_of(name: str) -> str | None:
    """Return the role that a name speaks of, if any."""
    plain = plain_name(name)
    return next((role for role, names in NAMES.items() if plain in names), None)


def is_known(name: str) -> bool:
    """Whether a header has this name, rather than that it is a text itself.

    Examples
    --------
    >>> is_known("Tweet text"), is_known("Hello"), is_known("ann_2")
    (True, False, True)
    """
    return role_of(name) is not None or names_annotator(name) or plain_name(name) in JUDGMENT_IDS


_MOST_ABOVE = 10


def header_at(rows: Sequence[Sequence[str]]) -> int:
    """Return which of the first rows has the names of the columns: not a title above them.

    Examples
    --------
    >>> header_at([["Labels of May"], ["id", "text", "rater"]]), header_at([["id", "text"], ["1", "a"]])
    (1, 0)
    """

    def known(row: Sequence[str]) -> int:
        return sum(is_known(cell.strip()) for cell in row)

    filled = sum(bool(cell.strip()) for cell in rows[0]) if rows else 0
    if not rows or filled == len(rows[0]) > 1 or known(rows[0]) > 1:
        return 0
    if filled > 1 or known(rows[0]):  # "Labels" over the columns of all annotators
        return int(known(rows[1]) > max(1, known(rows[0]))) if len(rows) > 1 else 0
    return next((at for at, row in enumerate(rows[:_MOST_ABOVE]) if known(row) > 1), 0)


def _words(name: str) -> list[str]:
    return [word.casefold() for word in _WORDS.findall(name)]


def names_annotator(name: str) -> bool:
    """Whether a column has the name of a person who labels: "annotator_1", "Rater B", "w17".

    Examples
    --------
    >>> names_annotator("annotator_1"), names_annotator("a12"), names_annotator("is_reply")
    (True, True, False)
    """
    words = _words(name)
    if _SHORT.fullmatch(name.strip()):
        return True
    return (
        len(words) > 1
        and words[0] in _PEOPLE
        and not (set(words[1:]) & (_NOBODY - _LABELS))
        and words[1] != "id"
    )


def is_result(name: str, *, of_words: bool = False) -> bool:
    """Whether a column tells a result, a count or a feature of the text, and so is nobody's vote.

    Parameters
    ----------
    of_words
        Whether it holds class words such as "sports", which no count and no feature does.

    Examples
    --------
    >>> is_result("final_label"), is_result("has_url"), is_result("n_annotators"), is_result("ana")
    (True, True, True, False)
    >>> is_result("topic"), is_result("topic", of_words=True), is_result("majority", of_words=True)
    (True, False, True)
    """
    if names_annotator(name):
        return False
    words = set(_words(name))
    return (
        bool(words & (_RESULTS if of_words else _NOBODY))
        or plain_name(name) in NAMES["label"]
        or bool(re.search(r"(?:majority|gold|final)", plain_name(name)))
    )


def family_of_labels(names: Iterable[str]) -> Sequence[str]:
    """Return names that differ beside a word for labels: label_ana and label_bo, ana.label and bo.label."""
    found = []
    for name in names:
        words = _words(name)
        rest = [word for word in words if word not in _LABELS]
        if len(words) > 1 and len(rest) < len(words) and rest and not set(rest) & _NOBODY:
            found.append(name)
    return found if len(found) > 1 else ()
