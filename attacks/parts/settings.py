"""What an attack's settings may be: each check raises `UsageError` with the setting's name and what was found."""

from __future__ import annotations

from fractions import Fraction

from bench import Attack, UsageError


def at_least_one(attack: Attack, *names: str) -> None:
    """Counts below 1 are refused; None, which leaves a count to somebody else, is not."""
    for name in names:
        value = getattr(attack, name)
        if value is not None and value < 1:
            raise UsageError(f"{name} must be at least 1; got {value}.")


def above_zero(attack: Attack, *names: str) -> None:
    """Values that are not above 0 are refused."""
    for name in names:
        if not getattr(attack, name) > 0:
            raise UsageError(f"{name} must be above 0; got {getattr(attack, name)}.")


def zero_or_more(attack: Attack, *names: str) -> None:
    """Values below 0 are refused."""
    for name in names:
        if not getattr(attack, name) >= 0:
            raise UsageError(f"{name} must be 0 or more; got {getattr(attack, name)}.")


def exact_step(text: str) -> Fraction:
    """A step size above 0 from its text ('2/255'); `UsageError` for anything else."""
    try:
        size = Fraction(text)
    except (ValueError, ZeroDivisionError):
        raise UsageError(f"step_size {text!r} is not a number; write it like 2/255 or 0.01.") from None
    if size <= 0:
        raise UsageError(f"step_size must be above 0; got {text}.")
    return size
