"""The chat template of the chosen model: read it, try a change on a conversation, keep the change, go back."""

from dataclasses import asdict

from fastapi import APIRouter
from pydantic import BaseModel

from m3studio import templates
from m3studio.errors import BadInput, NotFound
from m3studio.studio import Studio
from m3studio.templates import TemplateFailed


class Draft(BaseModel):
    """A template to try on a chat; without one on a short made-up conversation."""

    template: str
    chat: str | None = None


def router(studio: Studio) -> APIRouter:
    """`/api/template`."""
    api = APIRouter(prefix="/api/template")
    library = studio.library

    def chosen() -> str:
        if ref := library.chosen():
            return ref
        raise NotFound("There is no model yet. Choose one first.")

    @api.get("")
    def read() -> dict[str, object]:
        ref = chosen()
        own, file = library.own_template(ref), library.template(ref)
        used = own or file or templates.CHATML
        return {"ref": ref, "template": used, "file": file or templates.CHATML, "changed": bool(own)}

    @api.post("/preview")
    def preview(draft: Draft) -> dict[str, object]:
        """The rendered prompt and its tokens, or the problems by line."""
        problems = [asdict(problem) for problem in templates.check(draft.template)]
        if problems:
            return {"problems": problems, "text": "", "tokens": None}
        try:
            text, tokens = studio.turns.preview(draft.template, draft.chat)
        except TemplateFailed as error:
            return {"problems": [{"line": error.line, "message": error.reason}], "text": "", "tokens": None}
        return {"problems": [], "text": text, "tokens": tokens}

    @api.put("")
    def keep(draft: Draft) -> dict[str, object]:
        if problems := templates.check(draft.template):
            raise BadInput(f"Line {problems[0].line} of the template is wrong: {problems[0].message}.")
        ref = chosen()
        library.use_template(ref, "" if draft.template == library.template(ref) else draft.template)
        return read()

    @api.delete("")
    def reset() -> dict[str, object]:
        library.use_template(chosen(), "")
        return read()

    return api
