"""This machine as the planner sees it now, asked for seldom, and its memory's speed, measured once. Knows no model."""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import replace

from m3studio import hardware
from m3studio.errors import StudioError
from m3studio.hardware import Hardware
from m3studio.offload import OffloadPlan
from m3studio.store import Store

log = logging.getLogger(__name__)
FRESH = 4.0  # seconds for which an answer holds; asking costs a process, with CUDA one that takes seconds
STALE = 300.0  # seconds after which a list of models is worth asking anew
ROUNDS = 3  # starts at which the bandwidth is measured: the highest counts, since a busy machine looks slow
LEAST_ROOM = 2 * 2**30  # bytes; the measurement takes half a GiB for half a second
BANDWIDTH = "bandwidth"  # in the store

Probe = Callable[[], Hardware]


class Machine:
    """Asks `probe`, and remembers for a moment what it said."""

    def __init__(self, store: Store, probe: Probe = hardware.probe) -> None:
        self._store = store
        self._probe = probe
        self._asking = threading.Lock()  # held by the one thread that asks; the others take its answer
        self._lock = threading.Lock()  # protects the fields below
        self._known: Hardware | None = None
        self._asked_at = 0.0
        self._measuring: threading.Thread | None = None

    def now(self, fresh: float = FRESH) -> Hardware:
        """The machine as it was at most `fresh` seconds ago. Takes the time of a small process when it must ask."""
        with self._asking:
            if self._known is None or time.monotonic() - self._asked_at > fresh:
                found = self._probe()
                with self._lock:
                    self._known, self._asked_at = found, time.monotonic()
            known = self._known
        self._measure(known)
        return replace(known, bandwidth=self._bandwidth(known))

    def lately(self) -> Hardware | None:
        """The machine as it was last seen, at once; None as long as nobody has looked, which begins now."""
        with self._lock:
            known, age = self._known, time.monotonic() - self._asked_at
        if (known is None or age > STALE) and not self._asking.locked():
            threading.Thread(target=self.now, name="hardware", daemon=True).start()
        return known and replace(known, bandwidth=self._bandwidth(known))

    def forget(self) -> None:
        """Ask anew next time: memory was taken or given back."""
        with self._lock:
            self._asked_at = -STALE

    def close(self) -> None:
        """Wait for a measurement that still runs; it ends by itself within a second."""
        with self._lock:
            thread = self._measuring
        if thread is not None:
            thread.join(5)

    def _bandwidth(self, known: Hardware) -> float:
        rate = self._kept(known).get("rate")
        return float(rate) if isinstance(rate, (int, float)) else 0.0

    def _kept(self, known: Hardware) -> dict[str, object]:
        """What was measured on this machine; a data folder may have come from another one."""
        kept = self._store.values.get(BANDWIDTH)
        return kept if isinstance(kept, dict) and kept.get("machine") == name_of(known) else {}

    def _measure(self, known: Hardware) -> None:
        with self._lock:
            if self._measuring is not None or known.ram_available < LEAST_ROOM:
                return
            self._measuring = threading.Thread(target=self._keep, args=(known,), name="bandwidth", daemon=True)
            self._measuring.start()

    def _keep(self, known: Hardware) -> None:
        try:
            kept = self._kept(known)
            rounds, rate = int(str(kept.get("rounds", 0))), float(str(kept.get("rate", 0)))
            if rounds >= ROUNDS:
                return
            best = max(rate, hardware.measure_bandwidth(known.threads))
            value = {"machine": name_of(known), "rate": round(best), "rounds": rounds + 1}
            self._store.values.set(BANDWIDTH, value)
        except (StudioError, MemoryError, ValueError) as error:
            log.warning("the memory's speed was not measured: %s", error)


def name_of(known: Hardware) -> str:
    """What tells this machine from others: its memory and its devices."""
    gpus = [f"{device.name} {device.description} {device.total >> 30}" for device in known.gpus]
    return ", ".join([f"{known.ram_total >> 28} x 256 MiB", f"{known.threads} threads", *gpus])


def with_returned(known: Hardware, held: OffloadPlan | None) -> Hardware:
    """The machine as it will be when the model that was loaded by `held` has given its memory back.

    Mapped weights count as free already: the system drops them when somebody needs the room.
    """
    if held is None:
        return known
    shares = {share.name: share for share in held.placement.gpus}
    mapped = held.load.use_mmap is not False
    ram = held.placement.ram
    back = ram.kv + ram.compute + (0 if mapped else ram.weights)
    back += sum(share.bytes for share in shares.values() if share.unified)
    devices = tuple(
        replace(device, free=min(device.total, device.free + shares[device.name].bytes))
        if device.name in shares
        else device
        for device in known.devices
    )
    return replace(known, ram_available=min(known.ram_total, known.ram_available + back), devices=devices)
