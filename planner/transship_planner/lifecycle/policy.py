"""The policy `lifecycle.on_eol`: whether a tag past its end of life is still mirrored."""

from transship_planner.desired import OnEol
from transship_planner.lifecycle.judge import Judge
from transship_planner.lifecycle.mirrored import in_words
from transship_planner.observation.observed import Policy, Restraint, Sighting
from transship_planner.plans.plan import Action, LifecycleStatus

_ACTIONS = {OnEol.HOLD: Action.HELD, OnEol.BLOCK: Action.BLOCKED}


def eol_policy(judge: Judge) -> Policy:
    """Return the policy of that day and data.

    What is not known is held, whether `hold` or `block` is asked for: that it has ended is not known either, and data
    that comes back lets it go. A tag without a version is not of any cycle, and goes on.
    """

    def restrain(sighting: Sighting) -> Restraint | None:
        rule = sighting.wish.entry.lifecycle
        found = judge.of(sighting.wish)
        if rule is None or found is None or rule.on_eol is OnEol.WARN:
            return None
        reason = f"{in_words(found)} (on_eol: {rule.on_eol.value})"
        match found.status:
            case LifecycleStatus.ENDED:
                return Restraint(_ACTIONS[rule.on_eol], reason)
            case LifecycleStatus.UNKNOWN:
                return Restraint(Action.HELD, reason)
            case LifecycleStatus.OK | LifecycleStatus.SOON | LifecycleStatus.UNDATED | LifecycleStatus.UNVERSIONED:
                return None

    return restrain
