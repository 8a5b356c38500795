"""Hold a change back while its source has fewer pulls left than the change's `ratelimit` wants (semantics B11)."""

import asyncio
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from typing import TypeAlias

from transship_executor.slots import Slots
from transship_executor.watching import Delay
from transship_planner.plans.plan import Change, RateLimit
from transship_registry.errors import RateLimitedError
from transship_registry.http.timing import Timing
from transship_registry.ports import RegistryReader
from transship_registry.quota import Quota
from transship_registry.reference import Reference, Repository

_Account: TypeAlias = tuple[str, str]
"""A registry, and what it counts the pulls for: an address or a login."""


@dataclass(frozen=True, slots=True)
class _Look:
    """What was seen of a quota at a time by the clock, and which minima the delays that it caused were told with."""

    quota: Quota
    at: float
    told: set[int] = field(default_factory=set[int])


class Pacing:
    """The waiting of one run.

    Whether its pulls are counted is asked once for every repository, since registries exempt some
    (https://docs.docker.com/docker-hub/usage/pulls/). That too few are left is true of all that is counted for the same
    account, so those who wait for one look at it once per period together.
    """

    def __init__(
        self, registry: RegistryReader, slots: Slots, timing: Timing, delayed: Callable[[Change, Delay], None]
    ) -> None:
        self._registry = registry
        self._slots = slots
        self._timing = timing
        self._delayed = delayed
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._accounts: dict[Repository, _Account] = {}
        self._looks: dict[_Account, _Look] = {}

    async def wait(self, change: Change) -> bool:
        """Return when enough pulls are left, or the source states no quota; just as many as `min` are enough.

        Tells whether that took any time, in which the change's place among the images at once was given up. Raises
        `RegistryError` when the source cannot be asked, and `RateLimitedError` when more shall be left than there ever
        is.
        """
        rule = change.ratelimit
        if rule is None or change.source_digest is None:
            return False
        source, since = change.source.at(change.source_digest), -inf
        while (look := await self._look(source, rule, since)) is not None and look.quota.remaining < rule.min:
            _check_hope(source, rule, look.quota)
            since = look.at + rule.retry_s
            again_s = since - self._timing.clock()
            self._delayed(change, Delay(look.quota, rule.min, again_s, is_known=rule.min in look.told))
            look.told.add(rule.min)
            async with self._slots.given_up():
                await self._timing.sleep(again_s)
        return since > -inf

    async def _look(self, source: Reference, rule: RateLimit, since: float) -> _Look | None:
        """Return what is left; that it was too little for the same account is believed for a period.

        Whoever has waited for a period takes only what was seen `since`.
        """
        repository = source.repository
        async with self._locks[repository.registry]:
            known = self._too_little(self._accounts.get(repository), rule, since)
            if known is not None:
                return known
            quota = await self._registry.pull_quota(source)
            if quota is None:
                self._accounts.pop(repository, None)
                return None
            account = self._accounts[repository] = (repository.registry, quota.source)
            known = self._too_little(account, rule, since) if quota.remaining < rule.min else None
            look = self._looks[account] = known or _Look(quota, self._timing.clock())
            return look

    def _too_little(self, account: _Account | None, rule: RateLimit, since: float) -> _Look | None:
        """Return the last look at an account, if it was of too little and is recent."""
        look = self._looks.get(account) if account else None
        if look is None or look.quota.remaining >= rule.min:
            return None
        return look if since <= look.at and self._timing.clock() < look.at + rule.retry_s else None


def _check_hope(source: Reference, rule: RateLimit, quota: Quota) -> None:
    if quota.limit is not None and quota.limit < rule.min:
        raise RateLimitedError(
            "wait for the quota of",
            str(source),
            f"ratelimit.min is {rule.min}, but the registry's whole quota is {quota.limit} pulls",
            advice="lower ratelimit.min, or log in for a larger quota",
        )
