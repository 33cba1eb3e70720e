"""The REST interface: ``/api/v1``, a module a concern."""

from fastapi import APIRouter

from jurybox.web.api import beliefs, browsing, gold, hooks, labelling, people, project, transfer

__all__ = ["router"]

router = APIRouter(prefix="/api/v1")
for module in (labelling, project, browsing, people, gold, beliefs, transfer, hooks):
    router.include_router(module.router)
