"""Contract tests for plugins: what every defense, attack and data set must keep, each found in one sentence.

from bench.testing import assert_contracts, check_defense

def test_mine_keeps_its_contracts() -> None:
    assert_contracts(check_defense("./mine.py:Mine", task))
"""

from __future__ import annotations

from bench.testing.attacks import check_attack
from bench.testing.contracts import Finding, assert_contracts
from bench.testing.datasets import check_dataset
from bench.testing.defenses import SHOWN, check_defense
from bench.testing.kinds import Kind, kind_of

__all__ = ["SHOWN", "Finding", "Kind", "assert_contracts", "check_attack", "check_dataset", "check_defense", "kind_of"]
