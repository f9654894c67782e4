"""Protocols: reading, refusing, finding, and which plans are theirs."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

from bench.domain.errors import UsageError
from bench.domain.plan import Plan, Spec
from bench.domain.threat import ThreatModel
from bench.plugins.registry import attacks, defenses
from bench.protocols import ProtocolAttack, budget, builtin_protocols, covers, find_protocol, read

TEXT = """
name = "mine"
version = "1"
description = "A small one."
samples = 16
sample_seed = 1
sampling = "first"
shard_size = 4
seed = 2
draws = 3
source = "resnet"
epsilon = "8/255"

[[attacks]]
name = "pgd-linf"
epsilon = "0.1"
params = { steps = 3, parts = ["a", "b"] }

[[attacks]]
name = "aa-l2"
"""
PGD = Spec("pgd-linf", {"steps": 3, "parts": ("a", "b"), "restarts": 1})
PLAN = Plan(
    defense=Spec("tmdc"),
    attack=PGD,
    source=Spec("resnet"),
    dataset=Spec("digits"),
    size=1024,
    images="f00d",
    threat=ThreatModel("linf", Fraction("0.1")),
    knowledge="white-box",
    samples=16,
    sampling="first",
    sample_seed=1,
    shard_size=4,
    seed=2,
    draws=3,
)


def written(folder: Path, text: str = TEXT) -> Path:
    path = folder / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_file_is_read_with_exact_budgets(tmp_path: Path) -> None:
    protocol = read(written(tmp_path))
    assert (protocol.name, protocol.samples, protocol.draws, protocol.source) == ("mine", 16, 3, "resnet")
    assert protocol.epsilon == Fraction(8, 255)
    assert protocol.attacks == (
        ProtocolAttack("pgd-linf", Fraction(1, 10), {"steps": 3, "parts": ["a", "b"]}),
        ProtocolAttack("aa-l2"),
    )


def test_the_strongest_protocol_is_first_and_the_default_what_the_field_expects() -> None:
    others = ["adaptive-64", "diffpure-512", "robustbench", "tmdc-2024", "white-box-1024"]
    assert list(builtin_protocols()) == ["adaptive-1024", "transfer-1024", *others]
    default = find_protocol("transfer-1024")
    assert (default.samples, default.sample_seed, default.source) == (1024, 2024, "resnet")
    assert default.epsilon == Fraction(1, 20)
    assert [attack.name for attack in default.attacks] == ["fgsm-linf", "pgd-linf", "aa-linf", "aa-l2"]
    assert find_protocol("white-box-1024").source is None


def test_the_built_in_protocols_ask_for_nothing_that_their_plugins_do_not_have() -> None:
    for protocol in builtin_protocols().values():
        for attack in protocol.attacks:
            attacks.make(attack.name, attack.params)
        if protocol.source:
            defenses.find(protocol.source)


def test_a_protocol_is_found_by_path(tmp_path: Path) -> None:
    path = written(tmp_path)
    assert find_protocol(str(path)) == read(path)


def test_an_unknown_name_gets_the_closest_match() -> None:
    with pytest.raises(UsageError, match="Did you mean 'transfer-1024'"):
        find_protocol("transfer-1204")


@pytest.mark.parametrize(
    ("before", "after", "complaint"),
    [
        ("draws = 3", "draw = 3", "unknown key 'draw'. Did you mean 'draws'"),
        ("draws = 3", "", "lacks the key 'draws'"),
        ("draws = 3", "draws = 0", "draws must be a whole number of at least 1; found 0"),
        ("draws = 3", "draws = true", "draws must be a whole number"),
        ("seed = 2", 'seed = "2"', "seed must be a whole number of at least 0; found '2'"),
        ('name = "mine"', "name = 3", "name must be text"),
        ('sampling = "first"', 'sampling = "last"', "sampling must be 'random' or 'first'; found 'last'"),
        ('epsilon = "8/255"', "epsilon = 0.05", "epsilon must be text"),
        ('epsilon = "8/255"', 'epsilon = "-1"', "epsilon must be above 0"),
        ('epsilon = "0.1"', 'epsilon = "wide"', "'wide' is not a number"),
        ("params = {", "param = {", "attack 1 has an unknown key 'param'. Did you mean 'params'"),
        ('params = { steps = 3, parts = ["a", "b"] }', "params = 3", "params must be a table"),
        ('name = "aa-l2"', "", "attack 2 lacks the key 'name'"),
        ("samples = 16", "samples 16", "is not a TOML file"),
    ],
)
def test_a_mistake_in_a_file_is_named_in_one_sentence(tmp_path: Path, before: str, after: str, complaint: str) -> None:
    assert before in TEXT
    with pytest.raises(UsageError) as raised:
        read(written(tmp_path, TEXT.replace(before, after)))
    assert complaint in str(raised.value)


def test_attacks_that_are_no_tables_are_refused(tmp_path: Path) -> None:
    text = TEXT.partition("[[attacks]]")[0] + "attacks = []"
    with pytest.raises(UsageError, match="attacks must be one or more"):
        read(written(tmp_path, text))


def test_a_missing_file_and_one_that_is_no_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        find_protocol(str(tmp_path / "absent.toml"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="not a TOML file"):
        find_protocol(str(tmp_path / "binary.toml"))


def test_a_plan_with_the_protocols_settings_is_covered_also_after_a_round_trip(tmp_path: Path) -> None:
    protocol = read(written(tmp_path))
    assert covers(protocol, PLAN, {})
    stored = replace(PLAN, attack=Spec("pgd-linf", {**PGD.params, "parts": ["a", "b"]}))
    assert covers(protocol, stored, {})


@pytest.mark.parametrize(
    "change",
    [
        {"samples": 15},
        {"sample_seed": 2},
        {"sampling": "random"},
        {"shard_size": 8},
        {"seed": 3},
        {"draws": 1},
        {"source": Spec("vit")},
        {"source": None},
        {"defense": Spec("resnet")},
        {"threat": ThreatModel("linf", Fraction(8, 255))},
        {"attack": Spec("pgd-linf", {**PGD.params, "steps": 4})},
        {"attack": Spec("pgd-linf", {"steps": 3})},
        {"attack": Spec("fgsm-linf")},
    ],
)
def test_a_plan_that_differs_in_one_setting_is_not_covered(tmp_path: Path, change: dict[str, object]) -> None:
    assert not covers(read(written(tmp_path)), replace(PLAN, **change), {})  # type: ignore[arg-type]


def test_the_sources_own_row_is_its_white_box_plan(tmp_path: Path) -> None:
    assert covers(read(written(tmp_path)), replace(PLAN, defense=Spec("resnet"), source=None), {})


def test_a_white_box_protocol_covers_white_box_plans_alone_at_the_customary_budget(tmp_path: Path) -> None:
    text = TEXT.replace('"resnet"', '"self"').replace('epsilon = "8/255"\n', "").replace('epsilon = "0.1"\n', "")
    protocol = read(written(tmp_path, text))
    white_box = replace(PLAN, source=None)
    assert covers(protocol, white_box, {"linf": "0.1"})
    assert not covers(protocol, white_box, {"linf": "0.2"})
    assert not covers(protocol, white_box, {})
    assert not covers(protocol, PLAN, {"linf": "0.1"})


def test_a_protocol_may_ask_for_untouched_images_which_have_no_source_and_no_budget(tmp_path: Path) -> None:
    untouched = PLAN.untouched()
    assert not covers(read(written(tmp_path)), untouched, {})
    mine = read(written(tmp_path, f'{TEXT}\n[[attacks]]\nname = "none"\n'))
    assert covers(mine, untouched, {})
    assert budget(mine, mine.attacks[-1], untouched.threat.norm, {}) == 0


def test_passes_and_fixed_noise_are_part_of_what_a_protocol_fixes(tmp_path: Path) -> None:
    own = read(written(tmp_path, TEXT.replace("draws = 3", "draws = 3\nfixed_noise = true\npasses = 2000")))
    assert (own.fixed_noise, own.passes) == (True, 2000)
    limited = replace(PLAN, fixed_noise=True, passes=2000)
    assert covers(own, limited, {})
    assert not covers(own, PLAN, {})
    assert not covers(read(written(tmp_path)), limited, {})
    assert len({PLAN.digest, limited.digest, replace(PLAN, passes=2000).digest}) == 3
    assert Plan.from_document(limited.document()) == limited
    assert "passes" not in PLAN.document()
    assert limited.untouched().passes is None
    with pytest.raises(UsageError, match="fixed_noise must be true or false"):
        read(written(tmp_path, TEXT.replace("draws = 3", 'draws = 3\nfixed_noise = "yes"')))
