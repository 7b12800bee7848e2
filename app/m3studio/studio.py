"""What the app is made of: one object of each kind, built once by `server` and handed to every router and page."""

from dataclasses import dataclass

from m3studio.auth import Auth
from m3studio.library import Library
from m3studio.paths import Home
from m3studio.settings import Settings
from m3studio.store import Store
from m3studio.turns import Turns


@dataclass(frozen=True, slots=True)
class Studio:
    """The services behind the page and the API. `instance` names this data folder, whatever port it is served on."""

    instance: str
    home: Home
    settings: Settings
    store: Store
    auth: Auth
    library: Library
    turns: Turns
