"""From a log that a thread writes to an asyncio reader of it. Knows no event by name."""

import asyncio
from collections.abc import AsyncIterator

from m3studio.turns.log import Numbered, TurnLog

ALIVE_SECONDS = 15.0  # a silent stream gives a sign this often: proxies close it otherwise


async def batches(log: TurnLog, after: int, pause: float) -> AsyncIterator[list[Numbered]]:
    """What came after event number `after`, neighbours joined, until the log is closed; empty as a sign of life.

    At least `pause` seconds lie between two batches.
    """
    loop, changed = asyncio.get_running_loop(), asyncio.Event()
    waiting = True  # the writing thread wakes this one only if it waits: a wake-up for each token would cost it

    def wake() -> None:
        nonlocal waiting
        if waiting:
            waiting = False
            loop.call_soon_threadsafe(changed.set)

    leave = log.listen(wake)
    try:
        while True:
            changed.clear()
            waiting = True
            batch, done = log.read(after)
            if batch:
                after = batch[-1].number
                yield batch
                await asyncio.sleep(pause)
            elif done:
                return
            else:
                try:
                    await asyncio.wait_for(changed.wait(), ALIVE_SECONDS)
                except TimeoutError:
                    yield []
    finally:
        leave()
