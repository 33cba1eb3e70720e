"""Routes that return HTML, by concern; `routers` lists them all."""

from fastapi import APIRouter

__all__ = ["routers"]

routers: tuple[APIRouter, ...] = ()
