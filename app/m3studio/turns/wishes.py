"""What the user wants of answers, kept in the store: for every model, for one model, for one chat. Knows no engine."""

from collections.abc import Mapping

from m3studio.errors import BadInput
from m3studio.library import Library
from m3studio.store import Store
from m3studio.turns.history import Wishes, over, thinks, wishes
from m3studio.turns.ladder import Origin, Setting, changed, settings_in_use

DEFAULTS, OF_MODEL = "defaults", "model:"  # keys in the store; a model's ref follows the second one


class Kept:
    """The user's wishes for the chat `chat_id` (None: a new one) with the model `ref`, in the store."""

    def __init__(self, store: Store, ref: str, chat_id: str | None = None) -> None:
        self._store = store
        self._ref = ref
        self._chat = chat_id

    def read(self, scope: Origin) -> dict[str, object]:
        """The plain values of one scope: a chat, a model, or all. Raises `NotFound` for a chat that is gone."""
        if scope == Origin.CHAT:
            found: object = self._store.chats.get(self._chat).settings if self._chat else None
        elif scope == Origin.ALL or self._ref:
            found = self._store.values.get(self._key(scope))
        else:
            found = None
        return dict(found) if isinstance(found, Mapping) else {}

    def write(self, scope: Origin, values: Mapping[str, object]) -> None:
        """Keep the values of one scope. Raises `BadInput` for what is no setting."""
        wishes(values)
        if scope != Origin.CHAT:
            self._store.values.set(self._key(scope), dict(values))
        elif self._chat is None:
            raise BadInput("This chat does not exist yet. Send its first message, or choose “This model”.")
        else:
            self._store.chats.update(self._chat, settings=dict(values), touch=False)

    def change(self, scope: Origin, fields: Mapping[str, object]) -> None:
        """Set fields anew; one whose value is None is forgotten."""
        values = self.read(scope)
        for name, value in fields.items():
            values = changed(values, name, value)
        self.write(scope, values)

    def rungs(self) -> dict[Origin, Wishes]:
        """The wishes of each scope, the one that counts most first."""
        return {scope: wishes(self.read(scope)) for scope in (Origin.CHAT, Origin.MODEL, Origin.ALL)}

    def together(self) -> Wishes:
        """What counts."""
        chat, model, every = self.rungs().values()
        return over(over(every, model), chat)

    def _key(self, scope: Origin) -> str:
        if scope == Origin.ALL:
            return DEFAULTS
        if not self._ref:
            raise BadInput("There is no model yet. Choose one first.")
        return OF_MODEL + self._ref


def in_use(store: Store, library: Library, chat_id: str | None) -> dict[str, Setting]:
    """Every setting as it counts in a chat (None: a new one) with the chosen model, and where its value comes from."""
    kept = Kept(store, library.chosen(), chat_id)
    advice = library.advice(thinks(kept.together().thinking))
    return settings_in_use(advice.sampling, advice.system_prompt, kept.rungs())
