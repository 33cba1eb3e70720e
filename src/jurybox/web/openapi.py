"""The OpenAPI document: what FastAPI finds out by itself, with problem details and security schemes."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from starlette.responses import JSONResponse

from jurybox import __version__
from jurybox.web import api
from jurybox.web.access import public
from jurybox.web.api.fields import Problem
from jurybox.web.errors import PROBLEM
from jurybox.web.tokens import cookie_name

__all__ = ["document", "router"]

router = APIRouter(include_in_schema=False)

_STATUSES = {
    "400": "The request cannot be read",
    "401": "Nobody is signed in, or the token is wrong",
    "403": "Whoever is signed in may not do this, or the CSRF token is missing",
    "404": "There is no such thing in the project",
    "409": "This contradicts what is stored",
    "413": "The request is too large",
    "422": "The request is not as expected",
    "429": "Too many wrong tokens",
    "501": "This needs a library that is not installed on the server",
    "503": "The database cannot be used at present",
}
_DESCRIPTION = (
    "Programs send their token as `Authorization: Bearer TOKEN`. Requests with the cookie of a session that "
    "change something carry its CSRF token as `X-CSRF-Token`. Errors are problem details (RFC 9457). "
    "Lists come in pages: pass `next` as `after` to get the following one."
)


@router.get("/api/v1/openapi.json", dependencies=[Depends(public)])
def openapi_document(request: Request) -> JSONResponse:
    """Return the OpenAPI document."""
    app: FastAPI = request.app
    if app.openapi_schema is None:
        app.openapi_schema = document()
    return JSONResponse(app.openapi_schema)


def document() -> dict[str, Any]:
    """Return the OpenAPI document of ``/api/v1``."""
    app = FastAPI(redirect_slashes=False)
    app.include_router(api.router)
    schema = get_openapi(
        title="jurybox",
        version=__version__,
        summary="Labels you can trust from annotators you can't.",
        description=_DESCRIPTION,
        routes=app.routes,
        separate_input_output_schemas=True,
    )
    components = schema.setdefault("components", {})
    problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
    schemas = components.setdefault("schemas", {})
    schemas["Problem"] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    components["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": cookie_name("PROJECT")},
    }
    schema["security"] = [{"token": []}, {"session": []}]
    content = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for methods in schema["paths"].values():
        for operation in methods.values():
            for status, description in _STATUSES.items():
                operation["responses"][status] = {"description": description, "content": content}
    return schema
