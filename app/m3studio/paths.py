"""Where things lie on disk: one data folder, and the page's static files. Knows nothing of what is in them."""

import os
from dataclasses import dataclass
from pathlib import Path

from m3studio.errors import StoreError

PACKAGE = Path(__file__).resolve().parent


def default_home() -> Path:
    """`M3STUDIO_HOME`, else `~/.m3studio`."""
    return Path(os.environ.get("M3STUDIO_HOME") or Path.home() / ".m3studio").expanduser().absolute()


def static_dir() -> Path:
    """The folder of ES modules, styles and fonts: inside an installed package, else beside `app/` in a clone."""
    inside = PACKAGE / "static"
    return inside if inside.is_dir() else PACKAGE.parent.parent / "static"


def login_page(name: str) -> str:
    """`login.html` or `setup.html` with style and script inside: before the sign-in nothing else is served."""
    folder = static_dir()
    text = (folder / name).read_text("utf-8")
    for mark, file in (("/*style*/", "login.css"), ("/*script*/", "login.js")):
        text = text.replace(mark, (folder / file).read_text("utf-8"))
    return text


@dataclass(frozen=True, slots=True)
class Home:
    """The data folder. Everything that M3 Studio writes is below `root`, which only its owner can read."""

    root: Path

    @property
    def database(self) -> Path:
        return self.root / "chat.db"

    @property
    def models(self) -> Path:
        return self.root / "models"

    @property
    def logs(self) -> Path:
        return self.root / "logs"

    @property
    def temporary(self) -> Path:
        return self.root / "tmp"

    @property
    def kv(self) -> Path:
        """KV states of chats that are not in memory."""
        return self.root / "kv"

    @property
    def workspaces(self) -> Path:
        """A folder per chat, seen by tools as `/mnt/data`."""
        return self.root / "workspaces"

    def prepare(self) -> None:
        """Create the folders (0700) and prove that they can be written. Raises `StoreError`."""
        try:
            for folder in (self.root, self.models, self.logs, self.temporary):
                folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            probe = self.root / f".write-test-{os.getpid()}"
            probe.write_bytes(b"ok")
            probe.unlink()
        except OSError as error:
            raise StoreError(
                f"The data folder {self.root} cannot be written ({error.strerror}). "
                "Free some space or mend its permissions, or name another one with --data-dir."
            ) from error
