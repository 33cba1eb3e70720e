"""Invite links: one token a person, of which only the hash is kept."""

from __future__ import annotations

from jurybox.project import Project
from jurybox.web.tokens import hash_token, new_token

__all__ = ["invite", "link_path"]


def invite(project: Project, name: str) -> str:
    """Give a person a new token, which ends the old one, and return it.

    Raises
    ------
    NotFoundError
        If there is no such person.
    """
    token = new_token()
    project.set_token(name, hash_token(token))
    return token


def link_path(token: str) -> str:
    """Return the path of the link that signs a person in.

    Examples
    --------
    >>> link_path("abc")
    '/join/abc'
    """
    return f"/join/{token}"
