"""A model's own labels beside a task's classes: which logit speaks for which class."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from bench import Task, UsageError

_NUMBERED = re.compile(r"(label|class)?[_ ]?\d+", re.IGNORECASE)


def order(labels: Sequence[str] | None, task: Task, model: str) -> tuple[int, ...] | None:
    """For each of the task's classes the logit that the model's labels name for it; None where that is its own number.

    A label may be several words for the same, with commas ('tench, Tinca tinca'). Labels that only count ('LABEL_3')
    say nothing. A class that no label names keeps its own number, if no other class took it: 'plane' for 'airplane'.
    Raises `UsageError` where fewer than half of the classes are named, or such a number is taken.
    """
    if not labels or all(_NUMBERED.fullmatch(label.strip()) for label in labels):
        return None
    words = [_words(label) for label in labels]
    once = Counter(word for each in words for word in each)
    places = {word: place for place, each in enumerate(words) for word in each if once[word] == 1}
    twice = Counter(map(_plain, task.classes))
    named = {
        number: places[_plain(name)]
        for number, name in enumerate(task.classes)
        if _plain(name) in places and twice[_plain(name)] == 1
    }
    taken = set(named.values())
    lost = [number for number in range(len(task.classes)) if number not in named]
    few = 2 * len(named) < len(task.classes)
    wrong = [number for number in lost if few or number in taken]
    wrong += list(named) if len(taken) < len(named) else []
    if wrong:
        number = wrong[0]
        raise UsageError(
            f"{model} was trained on other classes: no label of its own is {task.classes[number]!r} of "
            f"{task.dataset} (its label {number} is {labels[number]!r}); -D labels=by-number takes "
            f"them as they are numbered."
        )
    found = tuple(named.get(number, number) for number in range(len(task.classes)))
    return None if found == tuple(range(len(found))) else found


def _words(label: str) -> set[str]:
    return {word for word in map(_plain, label.split(",")) if word}


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).casefold()
