"""How figures, budgets, times and sizes are written for readers."""

from __future__ import annotations

from datetime import datetime

from bench.domain.threat import UNTOUCHED, ThreatModel, format_epsilon
from bench.stats import Interval

NORMS = {"linf": "ℓ∞", "l2": "ℓ₂", "l1": "ℓ₁", "l0": "ℓ₀", "flow": "flow", "corruption": "severity", "none": ""}
NEGLIGIBLE = 1e-4
"""A p-value below which only so much is said."""


def percent(share: float) -> str:
    """A share as percent, without the sign: '97.9'."""
    return f"{100 * share:.1f}"


def span(interval: Interval) -> str:
    """The ends of an interval as percent, with a dash between them."""
    return f"{percent(interval.low)}–{percent(interval.high)}"


def signed(difference: float) -> str:
    """A difference of shares in points, with its sign (a real minus): '+3.1', '0.0'."""
    text = f"{100 * abs(difference):.1f}"
    if float(text) == 0:
        return text
    return f"+{text}" if difference > 0 else f"\N{MINUS SIGN}{text}"


def likelihood(p: float) -> str:
    """A p-value in two digits, however small: '0.038', '< 0.0001'."""
    return f"< {NEGLIGIBLE:.4f}" if p < NEGLIGIBLE else f"{p:#.2g}"


def budget(threat: ThreatModel) -> str:
    """A budget as people write it: norm, at most, epsilon; 'severity 3'; 'no change'. It never breaks between lines."""
    if threat.norm == UNTOUCHED:
        return "no\N{NO-BREAK SPACE}change"
    epsilon = format_epsilon(threat.epsilon)
    sign = "\N{NO-BREAK SPACE}" if threat.norm == "corruption" else "\N{NO-BREAK SPACE}≤\N{NO-BREAK SPACE}"
    return f"{NORMS[threat.norm]}{sign}{epsilon}"


def duration(seconds: float) -> str:
    """Seconds as people say them: '8.0 s', '2 h 5 min'."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def brief(seconds: float) -> str:
    """Seconds that may be few: '0.12 ms', '1.14 s'."""
    return f"{seconds:.3g} s" if seconds >= 1 else f"{1000 * seconds:.3g} ms"


def memory(size: int) -> str:
    """Bytes as people say them: '300 MiB'."""
    return f"{size / 2**20:.0f} MiB" if size < 2**30 else f"{size / 2**30:.1f} GiB"


def moment(time: datetime) -> str:
    """A time (UTC) to the minute."""
    return f"{time:%Y-%m-%d %H:%M} UTC"


def passes(count: float) -> str:
    """Passes a sample: '7,852', '0.8', '0'."""
    return f"{count:,.0f}" if count >= 10 or count == 0 else f"{count:.1f}"
