"""Intervals and tests; numbers in, numbers out."""

from bench.stats.paired import holm, mcnemar, paired_mean, redrawn_mean, samples_to_show, smallest_difference
from bench.stats.proportions import (
    CONFIDENCE,
    Interval,
    Proportion,
    binomial_test,
    clopper_pearson,
    clopper_pearson_interval,
    wilson,
)
from bench.stats.resampling import bootstrap_difference, bootstrap_mean, clustered_interval

__all__ = [
    "CONFIDENCE",
    "Interval",
    "Proportion",
    "binomial_test",
    "bootstrap_difference",
    "bootstrap_mean",
    "clopper_pearson",
    "clopper_pearson_interval",
    "clustered_interval",
    "holm",
    "mcnemar",
    "paired_mean",
    "redrawn_mean",
    "samples_to_show",
    "smallest_difference",
    "wilson",
]
