"""How often a password may be tried: per address, and overall. Knows no password."""

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address
from threading import Lock

from m3studio.errors import TooManyTries

FREE = 5  # tries before an address has to wait
FREE_OVERALL = 50  # before strangers have to, whatever their address
LONGEST_WAIT = 60.0  # seconds
FORGET_AFTER = 3600.0
REMEMBERED = 10_000  # addresses
EVERYONE = "*"


class Throttle:
    """Counts failed tries. After the free ones the next has to wait 1, 2, 4 .. 60 seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = Lock()  # protects _failures
        self._failures: OrderedDict[str, tuple[int, float, float]] = (
            OrderedDict()
        )  # count, time, when the next may come

    def enter(self, address: str, *, stranger: bool = True) -> None:
        """Count a try as failed before it is made, so that parallel ones count as well.

        `stranger` False leaves the overall limit out: many attackers must not lock the owner out. Raises
        `TooManyTries`; a refused try does not count.
        """
        places = [(_network(address), FREE), *([(EVERYONE, FREE_OVERALL)] if stranger else [])]
        now = self._clock()
        with self._lock:
            wait = max(self._next_at(place, now) - now for place, _ in places)
            if wait > 0:
                seconds = int(wait) + 1
                raise TooManyTries(
                    f"Too many wrong passwords. Wait {seconds} second{'s' if seconds > 1 else ''}, then try again.",
                    retry_after=wait,
                )
            for place, free in places:
                self._count(place, free, now)

    def forgive(self, address: str) -> None:
        """The try was right: the address starts anew, and it counts no more for everyone."""
        with self._lock:
            self._failures.pop(_network(address), None)
            count, last, next_at = self._failures.get(EVERYONE, (0, 0.0, 0.0))
            if 0 < count <= FREE_OVERALL:
                self._failures[EVERYONE] = (count - 1, last, 0.0 if count == FREE_OVERALL else next_at)

    def _next_at(self, place: str, now: float) -> float:
        _, last, next_at = self._failures.get(place, (0, now, 0.0))
        return 0.0 if now - last > FORGET_AFTER else next_at

    def _count(self, place: str, free: int, now: float) -> None:
        count, last, _ = self._failures.pop(place, (0, now, 0.0))
        count = 1 if now - last > FORGET_AFTER else count + 1
        wait = min(2.0 ** min(count - free, 10), LONGEST_WAIT) if count >= free else 0.0
        self._failures[place] = (count, now, now + wait)
        while len(self._failures) > REMEMBERED:
            self._failures.popitem(last=False)


def _network(address: str) -> str:
    """The address that counts: a whole /64 of IPv6, because a subscriber has all of it."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(ip, IPv6Address):
        return str(ip.ipv4_mapped) if ip.ipv4_mapped else f"{int(ip) >> 64:x}/64"
    return str(ip)
