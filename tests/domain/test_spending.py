"""A limit on passes: what is counted, what is kept, and that any attack ends."""

from __future__ import annotations

from fractions import Fraction

import pytest
import torch

from bench import Batch, Network, ThreatModel, Victim
from bench.domain.queries.spending import Hourglass, Ledger, Spent
from tests.attacks.victims import batch_for, generator, network

BUDGET = ThreatModel("linf", Fraction("0.1"))


def attacked(most: int, count: int = 6, norm: str = "linf") -> tuple[Victim, Ledger, Batch]:
    module = network()
    batch = batch_for(module, count)
    ledger = Ledger(batch, ThreatModel(norm, BUDGET.epsilon), most)
    return Victim(Network(module), generator(1), ledger=ledger), ledger, batch


def test_forward_and_backward_passes_are_counted_and_the_next_query_is_refused() -> None:
    victim, _, batch = attacked(most=4)
    victim(batch.images)
    asked = batch.images.clone().requires_grad_()
    victim(asked).sum().backward()
    victim(batch.images)
    with pytest.raises(Spent):
        victim(batch.images)
    assert (victim.forwards, victim.backwards) == (18, 6)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_the_admissible_image_that_comes_furthest_is_kept_whatever_the_order_of_a_query(norm: str) -> None:
    victim, ledger, batch = attacked(most=100, norm=norm)
    step = 0.1 if norm == "linf" else 0.01
    moved = (batch.images + step * torch.randn(batch.images.shape, generator=generator(3)).sign()).clamp(0, 1)
    victim(batch.images)
    before = ledger.leads.clone()
    victim(moved[[4, 1]])
    found = ledger.images
    better = (ledger.leads > before).tolist()
    for sample in range(6):
        expected = moved[sample] if better[sample] else batch.images[sample]
        assert torch.equal(found[sample], expected)
    assert {sample for sample in range(6) if better[sample]} <= {1, 4}
    assert any(better)


def test_what_lies_outside_the_budget_or_is_another_sample_s_is_not_proposed() -> None:
    victim, ledger, batch = attacked(most=100)
    victim(batch.images)
    victim((batch.images + 0.3).clamp(0, 1))
    victim(batch.images.roll(1, 0))
    assert torch.equal(ledger.images, batch.images)


def test_an_hourglass_ends_an_attack_when_its_time_is_over_and_says_so() -> None:
    victim, ledger, batch = attacked(most=2)
    seconds = [60.0]
    glass = Hourglass(lambda: seconds[0], ledger)
    victim = Victim(victim.classifier, generator(1), ledger=glass)
    victim(batch.images)
    seconds[0] = 0.0
    with pytest.raises(Spent):
        victim(batch.images)
    assert glass.has_run_out
    assert float(ledger.leads.max()) > -torch.inf


def test_what_an_hourglass_stands_within_ends_the_attack_first() -> None:
    victim, ledger, batch = attacked(most=1)
    glass = Hourglass(lambda: 60.0, ledger)
    victim = Victim(victim.classifier, generator(1), ledger=glass)
    victim(batch.images)
    with pytest.raises(Spent):
        victim(batch.images)
    assert not glass.has_run_out
