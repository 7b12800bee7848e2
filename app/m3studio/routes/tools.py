"""The tools that there are: what the page offers to choose from."""

from fastapi import APIRouter

from m3studio.studio import Studio
from m3studio.tools import Permission


def router(studio: Studio) -> APIRouter:
    """`/api/tools`."""
    api = APIRouter(prefix="/api/tools")

    @api.get("")
    def tools() -> dict[str, object]:
        """Each tool; `default` says whether a model whose template takes tools gets it unless the user chose."""
        found = [
            {
                "name": tool.spec.name,
                "description": tool.spec.description,
                "permission": tool.permission,
                "default": tool.permission is not Permission.NEVER,
            }
            for tool in studio.turns.tools.values()
        ]
        return {"tools": found}

    return api
