"""The commands `edit …`, `set` and `history`: what owners change, who did it, and its undoing."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jurybox.cli.output import note, print_json, say, table
from jurybox.cli.projects import AsJson, ProjectLocation, examples, open_project, settings_of
from jurybox.errors import InputError
from jurybox.numerals import count

if TYPE_CHECKING:
    from jurybox.project import Project
    from jurybox.store.history import HistoryEvent

CONSENSUS = "consensus"
"""What is given as a label where each text's own consensus is meant."""

_SHOWN = 10


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    edit = typer.Typer(no_args_is_help=True, help="Change many texts, names, classes or people; undoable.")
    edit.command(
        epilog=examples(
            "edit texts reviews.db --search http",
            "edit texts reviews.db --search http --delete",
            "edit texts reviews.db --state disagreed --reopen 2",
            "edit texts reviews.db --id t17 --id t18 --assign ana",
            "edit texts reviews.db --state finished --gold consensus",
        )
    )(texts)
    edit.command(
        epilog=examples(
            "edit rename reviews.db 'Reviews of May'",
            "edit rename reviews.db good --old fine --what class",
        )
    )(rename)
    edit.command(epilog=examples("edit merge reviews.db angry unhappy"))(merge)
    edit.command(epilog=examples("edit remove reviews.db bo --labels"))(remove)
    edit.command(epilog=examples("edit erase reviews.db bo --yes"))(erase)
    app.add_typer(edit, name="edit", rich_help_panel="Project")
    app.command(
        "set",
        rich_help_panel="Project",
        epilog=examples(
            "set reviews.db",
            "set reviews.db batch=50 max_labels=3",
            "set reviews.db budget=null encoder=minilm+tfidf",
        ),
    )(set_settings)
    app.command(
        rich_help_panel="Project",
        epilog=examples(
            "duplicates reviews.db",
            "duplicates reviews.db --find",
            "duplicates reviews.db --split t17 --json",
            "duplicates reviews.db --merge t17 --merge t18",
        ),
    )(duplicates)
    app.command(
        rich_help_panel="Project",
        epilog=examples("history reviews.db", "history reviews.db --undo 12", "history reviews.db --json"),
    )(history)


def texts(
    project: ProjectLocation,
    text_id: Annotated[
        list[str] | None, typer.Option("--id", metavar="ID", help="A text; may be repeated.")
    ] = None,
    search: Annotated[str, typer.Option(metavar="WORDS", help="Words of the text or of its id.")] = "",
    state: Annotated[
        str | None,
        typer.Option(
            help="unlabelled, labelled, open, finished, disagreed, flagged or audit.", metavar="STATE"
        ),
    ] = None,
    label: Annotated[str | None, typer.Option(metavar="CLASS", help="Texts that were called this.")] = None,
    annotator: Annotated[
        str | None, typer.Option(metavar="NAME", help="Texts that this person has labelled.")
    ] = None,
    delete: Annotated[bool, typer.Option("--delete", help="Delete the texts with their labels.")] = False,
    delete_labels: Annotated[
        bool, typer.Option("--delete-labels", help="Take all their labels back.")
    ] = False,
    reopen: Annotated[int | None, typer.Option(metavar="N", help="Ask for so many further labels.")] = None,
    assign: Annotated[
        str | None, typer.Option(metavar="NAME", help="Give them to one person, before all others.")
    ] = None,
    gold: Annotated[
        str | None,
        typer.Option(metavar="CLASS|consensus", help="Say that their label is known: this, or each its own."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Find texts, and do something with all of them; without an action, say which they are."""
    from jurybox.store.filters import TextFilter, TextState

    if state is not None and state not in {*TextState}:
        raise InputError(f"--state is {state!r}, expected one of {', '.join(TextState)}")
    acts = [delete, delete_labels, reopen is not None, assign is not None, gold is not None]
    if sum(acts) > 1:
        raise InputError("expected one of --delete, --delete-labels, --reopen, --assign and --gold")
    chosen = TextFilter(search, None if state is None else TextState(state), label, annotator)
    if text_id and chosen != TextFilter():
        raise InputError("expected either --id or a search: both would be done to texts that were not meant")
    if any(acts) and chosen == TextFilter() and not text_id:
        raise InputError("this would be done to every text; name some with --id, or search for them")
    with open_project(project) as opened:
        found = list(text_id) if text_id else opened.edit.matching(chosen)
        if delete:
            done, what = opened.edit.delete_texts(found), "texts deleted"
        elif delete_labels:
            done, what = opened.edit.delete_labels_of(found), "labels deleted"
        elif reopen is not None:
            done, what = opened.edit.reopen(found, reopen), "texts reopened"
        elif assign is not None:
            done, what = opened.edit.assign(found, assign), f"texts assigned to {assign}"
        elif gold is not None:
            done = opened.edit.make_gold(found, None if gold == CONSENSUS else gold)
            what = "texts made gold texts"
        else:
            _show(opened, found, as_json=as_json)
            return
    if as_json:
        print_json({"found": len(found), "done": done})
        return
    say(f"{done:,} {what}")
    if done:
        note("jurybox history PROJECT says how this is undone")


def rename(
    project: ProjectLocation,
    new: Annotated[str, typer.Argument(metavar="NEW", help="The new name.", show_default=False)],
    old: Annotated[str, typer.Option(metavar="OLD", help="The class or person that gets it.")] = "",
    what: Annotated[str, typer.Option(metavar="WHAT", help="project, class or person.")] = "project",
) -> None:
    """Give the project, a class or a person another name."""
    if what not in ("project", "class", "person"):
        raise InputError(f"--what is {what!r}, expected project, class or person")
    with open_project(project) as opened:
        if what == "project":
            opened.edit.rename(new)
        elif what == "class":
            opened.edit.rename_class(old, new)
        else:
            opened.edit.rename_person(old, new)
    say(f"the {what} is called {new}")


def merge(
    project: ProjectLocation,
    old: Annotated[str, typer.Argument(metavar="CLASS", help="The class that goes.", show_default=False)],
    into: Annotated[str, typer.Argument(metavar="INTO", help="What it becomes.", show_default=False)],
) -> None:
    """Make two classes one: what was said of the first is said of the second.

    With several questions both are written question:class.
    """
    with open_project(project) as opened:
        opened.edit.merge_classes(old, into)
        left = "; ".join(each.declared for each in opened.questions) or ", ".join(opened.classes)
    say(f"{old} is {into} now; the classes are {left}")


def remove(
    project: ProjectLocation,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    labels: Annotated[bool, typer.Option("--labels", help="Delete their labels, too.")] = False,
) -> None:
    """Take somebody off the project; their labels stay unless --labels is given."""
    with open_project(project) as opened:
        done = opened.edit.remove_person(name, labels=labels)
    say(f"{name} is removed, {count(done, 'label')} deleted")


def erase(
    project: ProjectLocation,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Say that it cannot be undone.")] = False,
) -> None:
    """Forget who somebody is: name and link go, the labels stay under a pseudonym."""
    if not yes:
        raise InputError("erasing a name cannot be undone; say --yes if that is meant")
    with open_project(project) as opened:
        pseudonym = opened.edit.erase_person(name)
    say(f"the labels are those of {pseudonym} now")


def duplicates(
    project: ProjectLocation,
    find: Annotated[bool, typer.Option("--find", help="Look for near-duplicates among all texts.")] = False,
    threshold: Annotated[
        float | None, typer.Option(metavar="S", help="With --find: how alike they are at least, 0 to 1.")
    ] = None,
    split: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Take a text out of its group; may be repeated.")
    ] = None,
    merge: Annotated[
        list[str] | None, typer.Option(metavar="ID", help="Make one group of texts; may be repeated.")
    ] = None,
    n: Annotated[int, typer.Option("-n", min=1, help="How many groups are shown.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Show texts that are the same or nearly, the largest groups first; find, split or merge groups."""
    from jurybox.formats.plain import plain

    if sum((find, bool(split), bool(merge))) > 1:
        raise InputError("expected one of --find, --split and --merge")
    with open_project(project) as opened:
        if find:
            opened.pool.find(threshold=threshold)
        elif split:
            opened.pool.split(split)
        elif merge:
            opened.pool.merge(merge)
        found = opened.pool.duplicates(n=n)
    if as_json:
        print_json(plain(found))
        return
    table(
        [("group", "right"), ("id", "left"), ("copy", "left"), ("text", "left")],
        [
            (str(number), one, "exact" if one in group.copies else "", text)
            for number, group in enumerate(found.groups, 1)
            for one, text in zip(group.texts, group.words, strict=True)
        ],
    )
    say(f"{count(found.total, 'group')}, {count(found.copies, 'exact copy', 'exact copies')}")
    if not (found.total or find):
        note("near-duplicates are looked for with --find")


def set_settings(
    project: ProjectLocation,
    changes: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME=VALUE",
            help="Settings and their new values: numbers, true, false, null or text.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Change settings, which hold from the next text and the next round on; without a change, show them."""
    from jurybox.project.choices import check_choices
    from jurybox.store.settings import ProjectSettings

    given = settings_of(changes or (), "a change")
    with open_project(project) as opened:
        before = opened.settings.to_dict()
        check_choices(given, before, own=True)
        after = (opened.configure(**given) if given else opened.settings).to_dict()
    if as_json:
        print_json(after)
        return
    if given:
        changed = [name for name in after if before[name] != after[name]]
        for name in changed:
            say(f"{name}: {_written(before[name])} → {_written(after[name])}")
        note("jurybox history PROJECT says how this is undone" if changed else "nothing changed")
        return
    usual = ProjectSettings().to_dict()
    rows = [
        (name, _written(value), "" if value == usual[name] else _written(usual[name]))
        for name, value in after.items()
    ]
    table([("setting", "left"), ("value", "left"), ("default", "left")], rows)


def history(
    project: ProjectLocation,
    undo: Annotated[int | None, typer.Option(metavar="N", help="Undo the event of this number.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what, from the making of the project on, the latest first; or undo one event."""
    from jurybox.formats.plain import plain

    with open_project(project) as opened:
        trail = opened.edit.history
        events = trail.last(brief=not as_json) if undo is None else [trail.undo(undo)]
    if as_json:
        print_json(plain(events))
        return
    _show_events(events)


def _show(opened: Project, found: list[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"found": len(found), "texts": found})
        return
    rows = [(one.id, one.text) for one in opened.reading.some_texts(found[:_SHOWN]).values()]
    table([("id", "left"), ("text", "left")], rows)
    say(count(len(found), "text"))


def _show_events(events: list[HistoryEvent]) -> None:
    from jurybox.report.facts import moment

    table(
        [("number", "right"), ("time", "left"), ("who", "left"), ("what", "left"), ("", "left")],
        [
            (
                str(event.number),
                moment(event.time),
                event.actor or "command line",
                f"{event.verb}: {_more(event) or event.subject}",
                "" if event.undone_by is None else f"undone by {event.undone_by}",
            )
            for event in events
        ],
    )


def _more(event: HistoryEvent) -> str:
    """Say from what to what settings were changed, or how much was added; empty for anything else."""
    if event.verb == "add":
        return f"{count(event.detail['texts'], 'text')}, {count(event.detail['annotations'], 'annotation')}"
    if event.verb != "settings":
        return ""
    before, after = event.detail["before"], event.detail["after"]
    return ", ".join(f"{name} {_written(before[name])} → {_written(after[name])}" for name in after)


def _written(value: Any) -> str:
    """Write the value of a setting as `set` takes it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
