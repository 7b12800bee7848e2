"""Asks every route of the whole app without a sign-in: `walk_routes.py DATA_FOLDER`. Prints [method, path, status, policy].

A program of its own, because Gradio leaves event loops and sockets open in the process that it is mounted in.
"""

import asyncio
import json
import re
import sys
from pathlib import Path

import httpx
from starlette.routing import Mount

from m3studio.paths import Home
from m3studio.server.assembly import LatePage, build, close, routed, web
from m3studio.settings import Settings

STEM = "http://127.0.0.1:8888"


def walk(routes, prefix=""):
    """(path, methods) of each route below `routes`, mounts and included routers opened."""
    for route in routes:
        if isinstance(route, Mount):
            yield prefix + route.path + "/x", {"GET"}
            yield from walk(route.routes or [], prefix + route.path)
        elif hasattr(route, "original_router"):
            yield from walk(route.original_router.routes, prefix)
        else:
            yield prefix + route.path, getattr(route, "methods", None) or {"GET"}


async def every_answer(studio):
    page, leave = LatePage(), asyncio.Event()
    serving = asyncio.create_task(page.serve(studio, leave))
    while page.app is None:
        await asyncio.sleep(0.05)
    inner, outer = routed(studio, page), web(studio, page)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=outer), base_url=STEM) as client:
        for path, methods in [*walk(inner.routes), *walk(page.app.routes)]:
            for method in methods:
                for accept in ("*/*", "text/html"):
                    url = re.sub(r"\{[^}]*\}", "1", path)
                    answer = await client.request(method, url, headers={"accept": accept})
                    yield method, path, answer.status_code, answer.headers.get("content-security-policy", "")
    leave.set()
    await serving


async def main():
    home = Home(Path(sys.argv[1]))
    home.prepare()
    studio = build(Settings(), home)
    try:
        print(json.dumps([line async for line in every_answer(studio)]))
    finally:
        close(studio)


asyncio.run(main())
