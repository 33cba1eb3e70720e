"""Routes that return HTML, by concern; `routers` lists them all."""

from fastapi import APIRouter

from jurybox.web.pages import (
    agreement,
    audit,
    clusters,
    duplicates,
    editing,
    exports,
    labelling,
    live,
    machines,
    overview,
    people,
    projects,
    reviewing,
    settings,
    setup,
    start,
    texts,
    trust,
    webhooks,
)

__all__ = ["routers"]

routers: tuple[APIRouter, ...] = (
    start.router,
    labelling.router,
    overview.router,
    live.router,
    projects.router,
    texts.router,
    reviewing.router,
    people.router,
    trust.router,
    editing.router,
    duplicates.router,
    clusters.router,
    agreement.router,
    audit.router,
    machines.router,
    settings.router,
    webhooks.router,
    exports.router,
    setup.router,
)
