"""`GET /healthz`: is it up, which version, which of several."""

from fastapi import APIRouter

from m3studio import __version__
from m3studio.studio import Studio


def router(studio: Studio) -> APIRouter:
    """The open health check. `instance` tells two apps on one machine apart."""
    api = APIRouter()

    @api.get("/healthz")
    async def healthz() -> dict[str, object]:
        return {"status": "ok", "version": __version__, "instance": studio.instance}

    return api
