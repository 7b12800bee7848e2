"""Plans for models on this machine: made, checked by llama.cpp itself, remembered after a load. Loads nothing."""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import NamedTuple

from m3studio import offload
from m3studio.engines import EngineFacts, llama
from m3studio.errors import BadModelFile, EngineError, OutOfMemory
from m3studio.hardware import Hardware
from m3studio.library.machine import Machine, name_of, with_returned
from m3studio.library.models import Model, Shelf
from m3studio.messages import Cancel
from m3studio.offload import ModelFacts, OffloadPlan, Verdict, Wishes
from m3studio.offload.words import size
from m3studio.settings import LoadSettings
from m3studio.store import Store

log = logging.getLogger(__name__)
AMPLE = 0.5  # of a memory's room: below it, no few percent of the compute buffer can matter
BURNT_SECONDS = 600.0  # for so long a load that failed counts; other programs come and go
KEPT = 8  # loads that are remembered for each model
FIT_SECONDS = 0.03  # for new verdicts in one look at the list; the rest comes with the next one
MOST_FITS = 20_000  # verdicts in memory
STEPS = 16  # of the memory: a verdict holds until free memory has changed by such a part

Measure = Callable[[Path, LoadSettings, llama.Layout, Cancel], Mapping[str, Mapping[str, int]]]


class Fit(NamedTuple):
    """A verdict of the list: `fits`, `tight`, `too_big`, or empty while nobody has looked."""

    verdict: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and what it was made from. `last` is what the last load with these settings took, if there was one.

    `key` names the settings before any correction, under which the load is remembered.
    """

    model: Model
    facts: ModelFacts
    hardware: Hardware
    wishes: Wishes
    plan: OffloadPlan
    key: str
    last: Mapping[str, object]

    @property
    def layout(self) -> llama.Layout:
        """What the engine must know beyond the settings."""
        return llama.Layout(self.plan.tensor_split, self.plan.placement.experts_in_ram)

    def to_json(self) -> dict[str, object]:
        """The plan as the API gives it, with the longest context that would fit."""
        offered = offload.alternatives(self.facts, self.hardware, self.wishes) if self.too_big else ()
        return {
            "ref": self.model.ref,
            "name": self.model.name,
            **self.plan.to_json(),
            "n_ctx_train": self.facts.n_ctx_train,
            "max_n_ctx": offload.largest_context(self.facts, self.hardware, self.wishes),
            "layers": len(self.facts.layers) + 1,
            "wishes": {name: value for name, value in asdict(self.wishes.load).items() if value is not None},
            "alternatives": [asdict(one) for one in offered],
            "last_load": dict(self.last) or None,
        }

    @property
    def too_big(self) -> bool:
        return self.plan.verdict is Verdict.TOO_BIG

    @property
    def ample(self) -> bool:
        """True when so much is free that the plan cannot be wrong enough to matter."""
        return all(share.bytes < AMPLE * share.room for share in self.plan.devices)


class Planner:
    """Plans with what this machine has free, and keeps what real loads took."""

    def __init__(self, store: Store, shelf: Shelf, machine: Machine, measure: Measure = llama.measure) -> None:
        self._store = store
        self._shelf = shelf
        self._machine = machine
        self._measure = measure
        self._facts: dict[str, ModelFacts] = {}  # by file; each entry is written whole, by any thread
        self._fits: dict[tuple[str, int], Fit] = {}  # by file and free memory; likewise
        self._failed: dict[str, tuple[float, OffloadPlan]] = {}  # by file: when a plan turned out too large; likewise

    def plan(self, model: Model, load: LoadSettings, held: OffloadPlan | None = None) -> Planned:
        """The plan for a load now, after the model that `held` has loaded is gone.

        Raises `BadModelFile`, and `BadInput` for settings that contradict each other.
        """
        known = self._shown(model, with_returned(self._machine.now(), held))
        facts = self.facts(model)
        wishes = Wishes(load)
        plan = offload.plan(facts, known, wishes)
        key = _settings_key(plan)
        last = next((row for row in self._loads(model, known) if row["settings"] == key), {})
        factor = last.get("compute_factor")
        if isinstance(factor, float) and factor > 0:  # llama.cpp's own answer to the same load
            wishes = replace(wishes, compute_factor=factor)
            plan = offload.plan(facts, known, wishes)
        return Planned(model, facts, known, wishes, plan, key, last)

    def checked(self, planned: Planned, cancel: Cancel) -> Planned:
        """The plan after llama.cpp was asked what the load takes. Without an answer it stays as it is."""
        if planned.ample or planned.wishes.compute_factor != 1.0:
            return planned
        try:
            memory = self._measure(planned.model.path, planned.plan.load, planned.layout, cancel)
        except EngineError as error:
            log.warning("the plan for %s was not checked: %s", planned.model.path, error.details or error)
            return planned
        factor = offload.correction(planned.facts, planned.plan, memory)
        wishes = replace(planned.wishes, compute_factor=factor)
        plan = offload.plan(planned.facts, planned.hardware, wishes)
        log.info("checked plan for %s: compute buffer %.3f of what was planned", planned.model.path, factor)
        return replace(planned, wishes=wishes, plan=plan)

    def refusal(self, planned: Planned) -> OutOfMemory:
        """Why the plan cannot be loaded, in numbers, and what could be."""
        plain = replace(planned.wishes, siblings=())
        offered = offload.alternatives(planned.facts, planned.hardware, plain)
        hints = " ".join(planned.plan.suggestions) or "Choose a smaller quant, or close other programs."
        sentence = planned.plan.reasons[0].replace("It does not fit:", f"{planned.model.name} does not fit:", 1)
        return OutOfMemory(f"{sentence} {hints}", alternatives=[asdict(one) for one in offered])

    def failure(self, planned: Planned, error: OutOfMemory) -> OutOfMemory:
        """What to say when a planned load ran out of memory all the same."""
        self._machine.forget()
        self._failed[_file(planned.model)] = (time.monotonic(), planned.plan)
        smaller = offload.after_failure(planned.hardware, planned.plan)
        offered = offload.alternatives(planned.facts, smaller, planned.wishes)
        shares = ", ".join(f"{size(share.bytes)} on {share.name}" for share in planned.plan.devices)
        sentence = f"{error.message} It was to take {shares} ({_parts(planned.plan)})."
        return OutOfMemory(sentence, details=error.details, alternatives=[asdict(one) for one in offered])

    def remember(self, planned: Planned, facts: EngineFacts) -> None:
        """Keep what a load took."""
        self._machine.forget()
        if not facts.memory:
            return
        relative = offload.correction(planned.facts, planned.plan, facts.memory)
        entry = {
            "settings": planned.key,
            "devices": {name: sum(sizes.values()) for name, sizes in facts.memory.items()},
            "total_bytes": sum(sum(sizes.values()) for sizes in facts.memory.values()),
            "planned_bytes": planned.plan.total_bytes,
            "compute_factor": round(planned.wishes.compute_factor * relative, 4),
            "load_seconds": facts.load_seconds,
            "at": round(time.time()),
        }
        kept = [one for one in self._loads(planned.model, planned.hardware) if one["settings"] != planned.key]
        self._store.values.set(_key(planned.model, planned.hardware), [entry, *kept][:KEPT])

    def fits(self, models: list[Model], load: LoadSettings, held: OffloadPlan | None) -> dict[str, Fit]:
        """A verdict for each model by `ref`, as far as known; new ones are made for a moment only."""
        known = self._machine.lately()
        if known is None:
            return {}
        known = with_returned(known, held)
        free = known.ram_available + sum(device.free for device in known.gpus)
        step = STEPS * free // max(known.memory, 1)
        until = time.monotonic() + FIT_SECONDS
        if len(self._fits) > MOST_FITS:
            self._fits = {}
        found = {}
        for model in models:
            key = (_file(model), step)
            if key not in self._fits and not model.problem and time.monotonic() < until:
                self._fits[key] = self._fit(model, known, load)
            found[model.ref] = self._fits.get(key, Fit())
        return found

    def facts(self, model: Model) -> ModelFacts:
        """What the planner must know of the file. Raises `BadModelFile`."""
        key = _file(model)
        if key not in self._facts:
            self._facts[key] = offload.facts(self._shelf.read(model.path))
        return self._facts[key]

    def _shown(self, model: Model, known: Hardware) -> Hardware:
        """The machine as the last failure has shown it: the same plan must not fail again."""
        at, failed = self._failed.get(_file(model), (0.0, None))
        recent = failed is not None and time.monotonic() - at < BURNT_SECONDS
        return offload.after_failure(known, failed) if failed is not None and recent else known

    def _fit(self, model: Model, known: Hardware, load: LoadSettings) -> Fit:
        try:
            plan = offload.plan(self.facts(model), known, Wishes(load))
        except BadModelFile as error:
            return Fit("", error.message)
        return Fit(plan.verdict.value, " ".join(plan.reasons[:2]))

    def _loads(self, model: Model, known: Hardware) -> list[dict[str, object]]:
        kept = self._store.values.get(_key(model, known))
        rows = kept if isinstance(kept, list) else []
        return [row for row in rows if isinstance(row, dict) and "settings" in row]


def merged(load: LoadSettings, under: LoadSettings) -> LoadSettings:
    """What `load` leaves open is taken from `under`."""
    values = {item.name: getattr(load, item.name) for item in fields(LoadSettings)}
    return replace(under, **{name: value for name, value in values.items() if value is not None})


def _file(model: Model) -> str:
    return f"{model.path}|{model.size}|{model.n_ctx_train}"


def _key(model: Model, known: Hardware) -> str:
    """In the store: a model on a machine."""
    name = hashlib.sha256(f"{model.path.name}|{model.size}|{name_of(known)}".encode()).hexdigest()[:16]
    return f"load.took.{name}"


def _settings_key(plan: OffloadPlan) -> str:
    """The settings that decide what a load takes."""
    load = plan.load
    parts = (load.n_ctx, load.n_seq_max, load.n_ubatch, load.type_k, load.type_v, load.n_gpu_layers, load.flash_attn)
    return "|".join(map(str, (*parts, plan.tensor_split, plan.placement.experts_in_ram)))


def _parts(plan: OffloadPlan) -> str:
    return (
        f"weights {size(plan.weights_bytes)}, cache {size(plan.kv_bytes)} for {plan.load.n_ctx:,} tokens, "
        f"buffers {size(plan.compute_bytes)}"
    )
