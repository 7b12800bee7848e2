"""Who is signed in, API keys, and changing the password. Knows no cookie."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from pydantic import BaseModel

from m3studio.auth import ApiKey, Session
from m3studio.routes.login import client_address

if TYPE_CHECKING:
    from m3studio.studio import Studio


class NewKey(BaseModel):
    """A key to be made. Scope `chat` opens /v1 alone, `admin` everything."""

    name: str
    scopes: list[str] = ["chat"]


class NewPassword(BaseModel):
    """The password as it is and as it shall be."""

    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Access:
    """What the routes do, on `Auth`."""

    studio: "Studio"

    def sessions(self, request: Request) -> dict[str, object]:
        """Every signed-in browser; `current` marks the one that asks."""
        own = _own_id(request)
        return {"sessions": [_session(row, current=row.id == own) for row in self.studio.auth.sessions()]}

    def revoke(self, id: str) -> dict[str, object]:
        """Sign a browser out."""
        self.studio.auth.revoke(id)
        return {"ok": True}

    def keys(self) -> dict[str, object]:
        """Every API key, without its text."""
        return {"keys": [_key(row) for row in self.studio.auth.api_keys()]}

    def create_key(self, new: NewKey) -> dict[str, object]:
        """A new key; `key` is shown this once."""
        row, text = self.studio.auth.create_key(new.name, new.scopes)
        return {**_key(row), "key": text}

    def revoke_key(self, id: str) -> dict[str, object]:
        """The key opens nothing from now on."""
        self.studio.auth.revoke_key(id)
        return {"ok": True}

    def password(self, new: NewPassword, request: Request) -> dict[str, object]:
        """Change it; every other browser is signed out."""
        own = _own_id(request)
        self.studio.auth.change_password(new.old, new.new, keep=own, address=client_address(request))
        return {"ok": True}


def router(studio: "Studio") -> APIRouter:
    """`/api/sessions`, `/api/keys` and `/api/password`."""
    api, access = APIRouter(prefix="/api"), Access(studio)
    api.get("/sessions")(access.sessions)
    api.delete("/sessions/{id}")(access.revoke)
    api.get("/keys")(access.keys)
    api.post("/keys")(access.create_key)
    api.delete("/keys/{id}")(access.revoke_key)
    api.post("/password")(access.password)
    return api


def _own_id(request: Request) -> str:
    return request.state.session.id if request.state.session else ""


def _session(row: Session, *, current: bool) -> dict[str, object]:
    return {
        "id": row.id,
        "created_at": row.created_at,
        "last_seen_at": row.last_seen_at,
        "expires_at": row.expires_at,
        "user_agent": row.user_agent,
        "address": row.address,
        "current": current,
    }


def _key(row: ApiKey) -> dict[str, object]:
    return {
        "id": row.id,
        "name": row.name,
        "created_at": row.created_at,
        "last_used_at": row.last_used_at,
        "scopes": list(row.scopes),
    }
