"""Work on many texts and labels at once, names, classes and people; the history that undoes it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field, model_validator

from jurybox.errors import InputError
from jurybox.project import Project
from jurybox.project.pool import MOST_CLUSTERS, DuplicateGroups, SimilarText, TextCluster
from jurybox.store.filters import AnnotationFilter, TextFilter, TextState
from jurybox.store.history import HistoryEvent
from jurybox.web.access import Owner, owner_only
from jurybox.web.api.fields import Answered, Body, Limit, Name, PathName, TextId
from jurybox.web.state import Stored

router = APIRouter(tags=["editing"])

_MOST = 100_000

Number = Annotated[int, Field(ge=1, le=2**62)]
Cluster = Annotated[int, Path(ge=0, lt=MOST_CLUSTERS)]


class TextsChosen(Body):
    """Which texts: some by their ids, or all that fit a search."""

    ids: list[TextId] | None = Field(default=None, min_length=1, max_length=_MOST)
    search: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = ""
    state: TextState | None = None
    label: Name | None = None
    annotator: Name | None = None

    def found_in(self, project: Project) -> list[str]:
        """Return the ids."""
        if self.ids is not None:
            return self.ids
        chosen = TextFilter(self.search, self.state, self.label, self.annotator)
        if chosen == TextFilter():
            raise InputError("this would be every text; name some by ids, or search for them")
        return project.edit.matching(chosen)


class TextsChange(TextsChosen):
    """What to do with texts: `labels` belongs to reopen, `to` to assign, `known` to gold."""

    act: Literal["delete", "delete_labels", "reopen", "assign", "gold"]
    labels: Annotated[int, Field(ge=1, le=100)] = 1
    to: Name | None = None
    known: Name | None = Field(default=None, description="A class; null: for each text its consensus.")

    @model_validator(mode="after")
    def _somebody(self) -> TextsChange:
        if self.act == "assign" and self.to is None:
            raise ValueError("assign needs `to`, the name of a person")
        return self


class LabelsChosen(Body):
    """Which annotations: some by their numbers, or all that fit a search."""

    numbers: list[Number] | None = Field(default=None, min_length=1, max_length=_MOST)
    annotator: Name | None = None
    label: Name | None = None
    search: Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")] = ""


class Renaming(Body):
    """A name, and what takes its place."""

    old: Name
    new: Name


class ProjectName(Body):
    """The project's title."""

    name: Name


class PersonName(Body):
    """Somebody's name."""

    name: Name


class Merger(Body):
    """A class that goes, and the one that it becomes."""

    old: Name
    into: Name


class GroupsChange(Body):
    """Texts whose groups are split or merged."""

    act: Literal["split", "merge"]
    ids: list[TextId] = Field(min_length=1, max_length=_MOST)


class DuplicatesSearch(Body):
    """How alike near-duplicates are at least; null: as found best."""

    threshold: Annotated[float, Field(gt=0, le=1)] | None = None


class ClustersSearch(Body):
    """How many clusters there are, at most; null: by the number of texts."""

    most: Annotated[int, Field(ge=2, le=MOST_CLUSTERS)] | None = None


class ClusterLabel(Body):
    """What the texts of a cluster are called, or only so many of them, from the middle."""

    label: Name | Answered
    found_at: float | None = Field(default=None, description="Of the cluster that is meant; null: the last.")
    most: Number | None = None


class Done(BaseModel):
    """How many texts or labels were changed."""

    done: int


class Erased(BaseModel):
    """Who the labels belong to from now on."""

    pseudonym: str


@router.post("/texts/changes")
def change_texts(user: Owner, project: Stored, body: TextsChange) -> Done:
    """Delete texts or their labels, reopen them, give them to one person, or make them gold texts."""
    chosen, to = body.found_in(project), body.to or ""
    change = project.edit.change_texts
    return Done(done=change(body.act, chosen, labels=body.labels, to=to, known=body.known, by=user.name))


@router.post("/annotations/deletions")
def delete_annotations(user: Owner, project: Stored, body: LabelsChosen) -> Done:
    """Take annotations back; their texts are asked for again."""
    numbers = body.numbers
    if numbers is None:
        chosen = AnnotationFilter(annotator=body.annotator, label=body.label, search=body.search)
        if chosen == AnnotationFilter():
            raise InputError("this would be every annotation; name some by numbers, or search for them")
        numbers = project.edit.matching_annotations(chosen)
    return Done(done=project.edit.delete_labels(numbers, by=user.name))


@router.put("/project/name", status_code=204)
def rename_project(user: Owner, project: Stored, body: ProjectName) -> None:
    """Give the project another title."""
    project.edit.rename(body.name, by=user.name)


@router.put("/classes/names", status_code=204)
def rename_class(user: Owner, project: Stored, body: Renaming) -> None:
    """Give a class another name."""
    project.edit.rename_class(body.old, body.new, by=user.name)


@router.post("/classes/mergers", status_code=204)
def merge_classes(user: Owner, project: Stored, body: Merger) -> None:
    """Make two classes one."""
    project.edit.merge_classes(body.old, body.into, by=user.name)


@router.put("/people/names", status_code=204)
def rename_person(user: Owner, project: Stored, body: Renaming) -> None:
    """Give a person another name; link and sessions stay."""
    project.edit.rename_person(body.old, body.new, by=user.name)


@router.delete("/annotators/{name:path}")
def remove_annotator(
    user: Owner,
    project: Stored,
    name: PathName,
    labels: Annotated[bool, Query(description="Whether their labels are deleted, too.")] = False,
) -> Done:
    """Take somebody off the project; their labels stay unless asked otherwise."""
    return Done(done=project.edit.remove_person(name, labels=labels, by=user.name))


@router.post("/people/erasures")
def erase_annotator(user: Owner, project: Stored, body: PersonName) -> Erased:
    """Forget who somebody is; the labels stay under a pseudonym. This cannot be undone."""
    return Erased(pseudonym=project.edit.erase_person(body.name, by=user.name))


@router.get("/duplicates", dependencies=[owner_only])
def duplicates(
    project: Stored, limit: Limit = 50, start: Annotated[int, Query(ge=0, le=2**31)] = 0
) -> DuplicateGroups:
    """List groups of copies and near-duplicates, the largest first."""
    return project.pool.duplicates(start, limit)


@router.post("/duplicates")
def find_duplicates(user: Owner, project: Stored, body: DuplicatesSearch) -> DuplicateGroups:
    """Look for near-duplicates among all texts."""
    return project.pool.find(threshold=body.threshold, by=user.name)


@router.post("/duplicates/changes")
def change_groups(user: Owner, project: Stored, body: GroupsChange) -> Done:
    """Take texts out of their groups, or make one group of them and all that are in a group with them."""
    change = project.pool.split if body.act == "split" else project.pool.merge
    return Done(done=change(body.ids, by=user.name))


@router.get("/similar", dependencies=[owner_only])
def similar_texts(
    project: Stored, text_id: Annotated[TextId, Query(alias="id")], limit: Limit = 10
) -> list[SimilarText]:
    """List the texts that are most like one."""
    return project.pool.similar(text_id, limit)


@router.get("/clusters", dependencies=[owner_only])
def clusters(project: Stored) -> list[TextCluster]:
    """List the clusters that were found last, the largest first."""
    return project.pool.clusters()


@router.post("/clusters", dependencies=[owner_only])
def find_clusters(project: Stored, body: ClustersSearch) -> list[TextCluster]:
    """Find clusters among all texts; these take the place of the last ones."""
    return project.pool.find_clusters(body.most)


@router.get("/clusters/{number}/texts", dependencies=[owner_only])
def cluster_texts(
    project: Stored, number: Cluster, limit: Limit = 50, start: Annotated[int, Query(ge=0, le=2**31)] = 0
) -> list[SimilarText]:
    """List texts of a cluster, those nearest to its middle first."""
    return project.pool.cluster_texts(number, start, limit)


@router.post("/clusters/{number}/labels")
def label_cluster(user: Owner, project: Stored, number: Cluster, body: ClusterLabel) -> Done:
    """Give the texts of a cluster a label at once, under a name of its own; none in the audit sample."""
    done = project.pool.label_cluster(
        number, body.label, most=body.most, found_at=body.found_at, by=user.name
    )
    return Done(done=done)


@router.get("/history", dependencies=[owner_only])
def history(
    project: Stored,
    limit: Limit = 50,
    before: Annotated[
        int | None, Query(ge=1, le=2**62, description="Number of the last event of the page before.")
    ] = None,
) -> list[HistoryEvent]:
    """List what owners have done, the latest first."""
    return project.edit.history.last(limit, before=before)


@router.post("/history/{number}/undoing")
def undo_event(user: Owner, project: Stored, number: Annotated[int, Path(ge=1, le=2**62)]) -> HistoryEvent:
    """Undo an event; the undoing is an event of its own, which is returned."""
    return project.edit.history.undo(number, by=user.name)
