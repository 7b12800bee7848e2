"""Models: what is there, what is loaded, load and unload, downloads."""

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Body, Request
from pydantic import BaseModel

from m3studio.library import Fit, LoadState, Model
from m3studio.settings import load_settings
from m3studio.studio import Studio


class LoadRequest(BaseModel):
    """`ref` is a path or a name in the library; `settings` are load settings under llama.cpp's names (none: those
    chosen last). With `force` a model is loaded though it seems not to fit."""

    ref: str
    settings: dict[str, object] | None = None
    force: bool = False


class DownloadRequest(BaseModel):
    """What to fetch."""

    ref: str


def router(studio: Studio) -> APIRouter:
    """`/api/models` and `/api/downloads`."""
    api = APIRouter(prefix="/api")
    library = studio.library

    def engine() -> dict[str, object]:
        return {**asdict(library.loading), **library.facts()}

    def line(model: Model, loaded: str, fit: Fit) -> dict[str, object]:
        known = {"fit": fit.verdict, "fit_reason": fit.reason}
        return {**asdict(model), "path": str(model.path), "loaded": model.ref == loaded, **known}

    @api.get("/models")
    def models() -> dict[str, object]:
        loading = library.loading
        loaded = loading.ref if loading.state == LoadState.READY else ""
        found = library.models()
        fits = library.fits(found)
        return {
            "models": [line(model, loaded, fits.get(model.ref, Fit())) for model in found],
            "chosen": library.chosen(),
            "engine": engine(),
            "downloads": [asdict(download) for download in library.downloads()],
        }

    @api.post("/models/load")
    def load(body: LoadRequest) -> dict[str, object]:
        settings = None if body.settings is None else load_settings(body.settings)
        library.load(body.ref, settings, force=body.force)
        return engine()

    @api.get("/models/plan")
    def plan(request: Request, ref: str) -> dict[str, object]:
        """With no setting, as it would be loaded now; with any, even an empty one, exactly these."""
        given = {name: value for name, value in request.query_params.items() if name != "ref"}
        wishes = {name: value for name, value in given.items() if value != ""}
        return library.plan(ref, load_settings(wishes) if given else None).to_json()

    @api.post("/models/unload")
    def unload() -> dict[str, object]:
        library.unload()
        return engine()

    @api.get("/downloads")
    def downloads() -> dict[str, object]:
        return {"downloads": [asdict(download) for download in library.downloads()]}

    @api.post("/downloads")
    def download(body: Annotated[DownloadRequest, Body()]) -> dict[str, object]:
        return asdict(library.download(body.ref))

    @api.delete("/downloads/{download_id}")
    def cancel(download_id: str) -> dict[str, object]:
        library.cancel_download(download_id)
        return {"ok": True}

    return api
