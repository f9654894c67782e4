"""Studies: papers as data, each a TOML file, and their reader."""

from bench.protocols.studies.reader import builtin_studies, find_study, heading, read
from bench.protocols.studies.study import (
    AdaptiveAttack,
    Adversarial,
    Cell,
    Claim,
    Discrepancy,
    PublishedFigure,
    Study,
    StudyColumn,
    StudyDraws,
    StudyHeading,
    StudyRow,
    StudySeries,
    StudyTable,
    StudyTraining,
    TrainedWeights,
)

__all__ = [
    "AdaptiveAttack",
    "Adversarial",
    "Cell",
    "Claim",
    "Discrepancy",
    "PublishedFigure",
    "Study",
    "StudyColumn",
    "StudyDraws",
    "StudyHeading",
    "StudyRow",
    "StudySeries",
    "StudyTable",
    "StudyTraining",
    "TrainedWeights",
    "builtin_studies",
    "find_study",
    "heading",
    "read",
]
