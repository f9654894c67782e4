"""Studies: papers as data, each a TOML file, and their reader."""

from bench.protocols.studies.cells import Cell, StudyColumn, StudyRow
from bench.protocols.studies.claims import Claim, Discrepancy, PublishedFigure
from bench.protocols.studies.reader import builtin_studies, find_study, heading, read
from bench.protocols.studies.shown import AdaptiveAttack, StudyDraws, StudySeries, StudyTable
from bench.protocols.studies.study import Study, StudyHeading
from bench.protocols.studies.trainings import Adversarial, StudyTraining, TrainedWeights

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
