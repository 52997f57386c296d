"""How cores and memory of hosts are shared among ABs: pools, memory classes, how many at once.

Both limits are one number. A pool holds the memory of its hosts in MB, and what an AB takes from it is the
larger of its memory and of its share of the cores, memory / slots for each core it uses. So neither the sum
of memory nor the number of recipes can exceed what the host has. MB and not GB: whole GB are too coarse for
the share of a core (100 GB on 32 slots).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import itemgetter

from phoenix.config.instrument import DrsType, Recipe
from phoenix.config.release import Release
from phoenix.config.site import HOST_POOL, Host, Site
from phoenix.errors import ConfigError

_MB_PER_GB = 1024
#: Room a class leaves for one retry after out_of_memory; beyond it the next class is there as well.
_GROWTH = 2.0


@dataclass(frozen=True, slots=True)
class MemoryClass:
    """ABs that need more than ``over_gb`` and at most ``up_to_gb``."""

    name: str
    over_gb: float
    up_to_gb: float


@dataclass(frozen=True, slots=True)
class Share:
    """How one host is shared; sizes in MB.

    Attributes
    ----------
    total_mb
        Memory of the host.
    core_mb
        What an AB counts for each core it uses, even if it needs less memory.
    """

    total_mb: int
    core_mb: int

    @classmethod
    def of(cls, host: Host) -> Share:
        """Return how a host is shared."""
        total = max(host.slots, int(host.memory_gb * _MB_PER_GB))
        return cls(total, total // host.slots)

    def taken(self, memory_gb: float, cpus: float = 1.0) -> int:
        """Return what an AB takes; never more than there is, so that it runs, alone if need be."""
        memory = math.ceil(memory_gb * _MB_PER_GB)
        return min(max(memory, math.ceil(cpus) * self.core_mb), self.total_mb)


@dataclass(frozen=True, slots=True)
class Queue:
    """The hosts that run the recipes of a release.

    Attributes
    ----------
    name
        Queue of Airflow's workers; None where there is one host, for its executor knows no queues.
    pool
        Airflow pool they share.
    hosts
        At least one.
    classes
        Memory classes its hosts can hold, ascending; the last ends with ``largest_gb``.
    """

    name: str | None
    pool: str
    hosts: tuple[Host, ...]
    classes: tuple[MemoryClass, ...]

    @property
    def largest_gb(self) -> float:
        """Most an AB can get: it may come to any of the hosts."""
        return min(host.memory_gb for host in self.hosts)

    @property
    def pool_mb(self) -> int:
        """Size of the pool."""
        return sum(Share.of(host).total_mb for host in self.hosts)

    @property
    def share(self) -> Share:
        """What holds wherever an AB comes to: the least memory, the largest share of a core."""
        shares = [Share.of(host) for host in self.hosts]
        return Share(min(share.total_mb for share in shares), max(share.core_mb for share in shares))

    @property
    def fewest_slots(self) -> int:
        """Slots of the host that has the fewest: what fits there fits on any."""
        return min(host.slots for host in self.hosts)

    def classes_of(self, recipe: Recipe) -> tuple[MemoryClass, ...]:
        """Return the classes ABs of a recipe can come into, at least one.

        That is from the class of its smallest AB to that of its largest after one out_of_memory.
        """
        largest = self.largest_gb if recipe.memory else _GROWTH * recipe.memory_gb
        lowest = min(recipe.least_gb, self.largest_gb)
        return tuple(
            entry
            for entry in self.classes
            if entry.up_to_gb >= lowest and entry.over_gb < min(largest, self.largest_gb)
        )


def serving(site: Site, release: Release) -> Queue:
    """Return the hosts that serve a release's queue.

    Raises
    ------
    ConfigError
        If no host serves it.
    """
    if not site.hosts:
        return _queue(site, None, HOST_POOL, (site.host,))
    name = release.host.queue
    hosts = tuple(host.limits for host in site.hosts.values() if host.queue == name)
    if not hosts:
        raise ConfigError(
            f"releases/{release.release}.yaml, field host.queue",
            f"found {name!r}",
            f"a queue some host serves: {', '.join(sorted({host.queue for host in site.hosts.values()}))}",
            "mend it here, or give a host in phoenix.yaml this queue",
        )
    return _queue(site, name, f"{HOST_POOL}_{name}", hosts)


def pools(site: Site) -> dict[str, int]:
    """Return Airflow's pools of this site with their sizes in MB."""
    if not site.hosts:
        return {HOST_POOL: Share.of(site.host).total_mb}
    sizes: dict[str, int] = {}
    for host in site.hosts.values():
        name = f"{HOST_POOL}_{host.queue}"
        sizes[name] = sizes.get(name, 0) + Share.of(host.limits).total_mb
    return sizes


def streams(drs_type: DrsType, release: Release) -> int | None:
    """Return how many ABs of a release may run at once; None where cores and memory alone decide.

    CPL: one after the other. INT: an AB uses all threads, so only as many as the release has streams. CON:
    all that find room, unless the release limits them.
    """
    if drs_type is DrsType.CPL:
        return 1
    if drs_type is DrsType.INT:
        return release.host.streams or 1
    return release.host.streams


def _queue(site: Site, name: str | None, pool: str, hosts: tuple[Host, ...]) -> Queue:
    largest = min(host.memory_gb for host in hosts)
    classes: list[MemoryClass] = []
    over = 0.0
    for label, up_to in sorted(site.memory_classes.items(), key=itemgetter(1)):
        if over < largest:
            classes.append(MemoryClass(label, over, min(up_to, largest)))
        over = up_to
    if over < largest:
        classes.append(MemoryClass("whole", over, largest))
    return Queue(name, pool, hosts, tuple(classes))
