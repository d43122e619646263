"""Rules: a value that has been beyond a threshold for a time fires once.

"drop: arousal over 0.4 for 8 s" fires when arousal has been over 0.4 for 8 s, and not again before
it has been under 0.3: a tenth of the key's range, or what ``until`` says, lies between.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

from streammer.errors import UsageError

__all__ = ["KEYS", "Rule", "Watch", "parse_rules", "step"]

KEYS = {
    "valence": (-1.0, 1.0),
    "arousal": (-1.0, 1.0),
    "valence01": (0.0, 1.0),
    "arousal01": (0.0, 1.0),
    "x": (0.0, 1.0),
    "y": (0.0, 1.0),
    "p_positive": (0.0, 1.0),
    "p_energetic": (0.0, 1.0),
    "intensity": (0.0, 1.0),
}
"""What a rule may watch, with its range."""

_EXPECTED = (
    'expected is "NAME: KEY over|under X for SECONDS s", such as "drop: arousal over 0.4 for 8 s"'
)
_NUMBER = r"([-+]?(?:\d+\.?\d*|\.\d+))"
_RULE = re.compile(
    rf"\s*([a-z0-9][a-z0-9_-]{{0,30}})\s*:\s*(\w+)\s+(over|under)\s+{_NUMBER}"
    rf"(?:\s+for\s+{_NUMBER}\s*s)?(?:\s+until\s+{_NUMBER})?\s*"
)
_HYSTERESIS = 0.1
_MAX_FOR_S = 3600.0


@dataclass(frozen=True)
class Rule:
    """A threshold that fires once.

    Attributes
    ----------
    name, key : str
        What it is called, and which of `KEYS` it watches.
    above : bool
        Whether it fires over the threshold, or under it.
    threshold, rearm : float
        Beyond which it fires, and behind which the value must have been before it fires again.
    for_s : float
        How long the value must have been beyond [s].
    """

    name: str
    key: str
    above: bool
    threshold: float
    rearm: float
    for_s: float


@dataclass(frozen=True)
class Watch:
    """Where a rule stands: since when its value is beyond, and whether it may fire."""

    since: float | None = None
    armed: bool = True


def step(
    rule: Rule, watch: Watch, values: Mapping[str, float | None], now: float
) -> tuple[Watch, bool]:
    """Return where a rule stands now, and whether it fires.

    Parameters
    ----------
    rule : Rule
    watch : Watch
    values : mapping
        Of every key; None where the stream has no such value.
    now : float
        Time, which does not go back [s].
    """
    value = values[rule.key]
    if value is None:
        return Watch(None, watch.armed), False
    sign = 1.0 if rule.above else -1.0
    if sign * value < sign * rule.rearm:
        return Watch(None, True), False
    if not watch.armed or sign * value <= sign * rule.threshold:
        return Watch(None, watch.armed), False
    since = now if watch.since is None else watch.since
    if now - since >= rule.for_s:
        return Watch(None, False), True
    return Watch(since, True), False


def parse_rules(texts: Sequence[str]) -> tuple[Rule, ...]:
    """Return the rules that texts say.

    Raises
    ------
    UsageError
        One cannot be read, can never fire, or two have one name.
    """
    rules = tuple(map(_parse, texts))
    for i, rule in enumerate(rules):
        if rule.name in (other.name for other in rules[:i]):
            raise UsageError(f"two rules are called {rule.name}: give each a name of its own")
    return rules


def _parse(text: str) -> Rule:
    found = _RULE.fullmatch(text)
    if found is None:
        raise UsageError(f"rule {text!r} cannot be read: {_EXPECTED}")
    name, key, side, number, for_s, until = found.groups()
    if key not in KEYS:
        near = get_close_matches(key, KEYS, 1)
        hint = f"did you mean {near[0]}?" if near else f"one of {', '.join(KEYS)} is expected"
        raise UsageError(f"rule {text!r} watches {key}, which is no key: {hint}")
    low, high = KEYS[key]
    above, threshold = side == "over", float(number)
    gap = _HYSTERESIS * (high - low) / 2.0
    rearm = float(until) if until is not None else threshold - gap if above else threshold + gap
    rule = Rule(name, key, above, threshold, rearm, float(for_s or 0.0))
    _refuse_what_never_fires(text, rule, low, high)
    return rule


def _refuse_what_never_fires(text: str, rule: Rule, low: float, high: float) -> None:
    side = "over" if rule.above else "under"
    reach = rule.threshold < high if rule.above else rule.threshold > low
    if not reach:
        raise UsageError(
            f"rule {text!r} can never fire: {rule.key} is from {low:g} to {high:g}, and never "
            f"{side} {rule.threshold:g}"
        )
    if not (low < rule.rearm if rule.above else rule.rearm < high):
        back = "under" if rule.above else "over"
        raise UsageError(
            f"rule {text!r} can never fire a second time: {rule.key} is from {low:g} to {high:g}, "
            f"and never {back} {rule.rearm:g}; say until which value, as in "
            f'"{side} {(low + high) / 2:g} for 8 s until {(low + high) / 2:g}"'
        )
    if (rule.rearm > rule.threshold) if rule.above else (rule.rearm < rule.threshold):
        raise UsageError(
            f"rule {text!r} would fire again and again: 'until' must not lie beyond the threshold"
        )
    if not 0.0 <= rule.for_s <= _MAX_FOR_S:
        raise UsageError(f"rule {text!r} waits {rule.for_s:g} s: 0 to {_MAX_FOR_S:g} is expected")
