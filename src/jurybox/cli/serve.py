"""The commands that keep running, the web app and the learner, and the owner's token for programs."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jurybox.cli.importing import FileFormat, said
from jurybox.cli.output import note, say, warn
from jurybox.cli.projects import ProjectLocation, examples, open_project

if TYPE_CHECKING:
    from jurybox.web.serving import Started

Host = Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 is every address of this machine.")]
Port = Annotated[
    int | None,
    typer.Option(min=0, max=65535, help="Port to listen on.", show_default="8765, or the next free one"),
]


def register(app: typer.Typer) -> None:
    """Add the commands of this module."""
    app.command(
        rich_help_panel="Project",
        epilog=examples(
            "serve reviews.db",
            "serve projects/ --port 8800",
            "serve reviews.db --public-url https://labels.example.org --trusted-proxy 127.0.0.1",
        ),
    )(serve)
    app.command(rich_help_panel="Project", epilog=examples("watch reviews.db incoming/"))(watch)
    app.command(rich_help_panel="Project", epilog=examples("token reviews.db", "token reviews.db --new"))(
        token
    )


def serve(
    project: ProjectLocation,
    host: Host = "127.0.0.1",
    port: Port = None,
    no_learner: Annotated[
        bool,
        typer.Option("--no-learner", help="Refit elsewhere: jurybox learn, on this machine or another one."),
    ] = False,
    public_url: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Where people reach it, behind a proxy: https://HOST."),
    ] = None,
    trusted_proxy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ADDRESS",
            help="Address or network of a proxy whose X-Forwarded-For and -Proto are believed; repeatable.",
        ),
    ] = None,
    webhooks: Annotated[
        bool, typer.Option("--webhooks", help="Tell events to the addresses that the owner enters.")
    ] = False,
    webhooks_to_private_addresses: Annotated[
        bool,
        typer.Option("--webhooks-to-private", help="Allow webhooks to this machine and to private networks."),
    ] = False,
) -> None:
    """Start the web app, and the learner that refits while people annotate.

    PROJECT may be a folder: all projects in it are served, behind one sign-in.

    It prints a link that signs the owner in once, who sets the project up in the browser if there is none
    yet. For programs there is: jurybox token. JURYBOX_TOKEN, where set, is a token of the owner, too.
    """
    run_server(
        project,
        host=host,
        port=port,
        learner=not no_learner,
        public_url=public_url,
        trusted_proxies=trusted_proxy or (),
        webhooks=webhooks,
        webhooks_to_private_addresses=webhooks_to_private_addresses,
    )


def watch(
    project: ProjectLocation,
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Where files come in.", show_default=False)
    ],
    seconds: Annotated[float, typer.Option(min=0.0, help="Time between two looks at the folder.")] = 5.0,
    once: Annotated[
        bool,
        typer.Option("--once", help="Take what is there, and end: for cron."),
    ] = False,
    form: FileFormat = "auto",
) -> None:
    """Add the files of a folder as they come, until stopped; the learner ranks their texts.

    A file is taken when it has stopped growing, all of it or nothing, and again when it has changed. What
    was taken is noted in the project. Names that begin with a dot, or end in .tmp or .part, are left alone.
    """
    from jurybox.formats import ReadOptions
    from jurybox.project.watching import FolderWatch

    refused = 0
    with open_project(project) as opened:
        watched = FolderWatch(opened, folder, ReadOptions(format=form))
        for look in itertools.count():
            for taken in watched.look():
                if taken.added is None:
                    refused += 1
                    warn(f"{taken.path.name} is not added: {taken.refused}")
                else:
                    say(f"{taken.path.name}: {said(taken.added)}")
            if once and look:
                break
            time.sleep(seconds)
    if refused:
        raise typer.Exit(1)


def token(
    project: ProjectLocation,
    new: Annotated[
        bool,
        typer.Option("--new", help="Replace the token, and sign everybody out: all sessions end."),
    ] = False,
) -> None:
    """Print a lasting token of the owner, for programs and to sign in with.

    It is shown once, since only its hash is kept. The link that serve prints works once and does without.
    """
    from jurybox.web.access import new_owner_token

    with open_project(project) as opened:
        made = new_owner_token(opened, replace=new)
    say(made.token)
    note(f"It is the token of {made.owner}; nobody can show it again.")


def run_server(
    project: str,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    learner: bool = True,
    public_url: str | None = None,
    trusted_proxies: Sequence[str] = (),
    webhooks: bool = False,
    webhooks_to_private_addresses: bool = False,
) -> None:
    """Serve a project until Ctrl-C, and say where it is."""
    from jurybox.web.config import WebSettings
    from jurybox.web.serving import is_local
    from jurybox.web.serving import serve as run

    settings = WebSettings(
        owner_token=os.environ.get("JURYBOX_TOKEN"),
        public_url=public_url,
        trusted_proxies=tuple(trusted_proxies),
        webhooks=webhooks or webhooks_to_private_addresses,
        webhooks_to_private_addresses=webhooks_to_private_addresses,
    )
    if not is_local(host):
        warn(
            f"Warning: everyone who reaches {host} can open this server, and without TLS whoever is between"
            " can read what is sent, tokens included. Better: keep it on 127.0.0.1 behind a proxy with"
            " TLS, such as: caddy reverse-proxy --from labels.example.org --to 127.0.0.1:8765, and start with"
            " --public-url https://labels.example.org --trusted-proxy 127.0.0.1"
        )
    run(project, host=host, port=port, settings=settings, learner=learner, on_start=_announce)


def _announce(started: Started) -> None:
    say(f"jurybox is at {started.url}")
    say(f"Sign in as the owner, once: {started.owner_link}")
    sys.stdout.flush()
    note("Stop with Ctrl-C.")
