"""The REST interface: ``/api/v1``, a module a concern."""

from fastapi import APIRouter

__all__ = ["router"]

router = APIRouter(prefix="/api/v1")
