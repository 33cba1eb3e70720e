"""The REST interface: ``/api/v1``, a module a concern."""

from fastapi import APIRouter

from jurybox.web.api import browsing, editing, labelling, people, project, transfer

__all__ = ["router", "routers"]

routers = (
    *(labelling.router, editing.router, project.router, browsing.router, people.router),
    *(people.gold_router, browsing.beliefs_router, transfer.router, project.hooks_router),
)
router = APIRouter(prefix="/api/v1")
for part in routers:
    router.include_router(part)
