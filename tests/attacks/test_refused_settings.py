"""Settings with which an attack would make no sense are refused with a sentence, attack by attack."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from attacks.a3 import A3Linf
from attacks.adaptive import AdaptiveLinf
from attacks.autoattack import AutoAttackL1
from attacks.autoattack.apgd import ApgdCeL1, ApgdCeL2, ApgdCeLinf, ApgdTLinf
from attacks.autoattack.fab import FabL2, FabLinf, FabTL1
from attacks.autoattack.square import SquareLinf
from attacks.carlini_wagner import CarliniWagnerL2
from attacks.gradient import FgsmLinf, PgdL2, PgdLinf
from attacks.malt import MaltL2
from attacks.minimum_norm import DdnL2, FmnL0, FmnL2, PdpgdL1, SigmaZeroL0
from attacks.noise import NoiseLinf
from attacks.one_pixel import OnePixel
from attacks.stadv import StAdv
from bench import UsageError


@pytest.mark.parametrize(
    ("kind", "values", "sentence"),
    [
        (PgdLinf, {"steps": 0}, "steps must be at least 1; got 0"),
        (PgdL2, {"restarts": -1}, "restarts must be at least 1; got -1"),
        (FgsmLinf, {"draws": 0}, "draws must be at least 1; got 0"),
        (PgdLinf, {"step_size": "2/0"}, "step_size '2/0' is not a number"),
        (PgdLinf, {"step_size": "-2/255"}, "step_size must be above 0; got -2/255"),
        (PgdLinf, {"restarts": 2, "random_start": False}, "every restart is the same"),
        (NoiseLinf, {"draws": 0}, "draws must be at least 1; got 0"),
        (AutoAttackL1, {"version": "standart"}, "no version 'standart'. Did you mean 'standard'?"),
        (
            AutoAttackL1,
            {"version": "custom", "attacks": ("apgd_ce",)},
            "no part called 'apgd_ce'. Did you mean 'apgd-ce'?",
        ),
        (AutoAttackL1, {"version": "custom"}, "go together; got version=custom and 0 attacks"),
        (AutoAttackL1, {"attacks": ("square",)}, "go together; got version=standard and 1 attacks"),
        (AutoAttackL1, {"n_queries": 0}, "n_queries must be at least 1; got 0"),
        (AutoAttackL1, {"n_iter": 1}, "In l1 n_iter must be at least 2"),
        (ApgdCeLinf, {"n_iter": 0}, "n_iter must be at least 1; got 0"),
        (ApgdCeL1, {"n_iter": 1}, "In l1 n_iter must be at least 2"),
        (ApgdTLinf, {"n_target_classes": 0}, "n_target_classes must be at least 1; got 0"),
        (ApgdCeL2, {"rho": 0.0}, "rho is a share of steps above 0 and up to 1; got 0.0"),
        (FabLinf, {"n_iter": 0}, "n_iter must be at least 1; got 0"),
        (FabTL1, {"n_target_classes": 0}, "n_target_classes must be at least 1; got 0"),
        (FabL2, {"beta": 1.5}, "beta is a share from 0 to 1; got 1.5"),
        (FabL2, {"eta": 0.9}, "eta must be at least 1, for a step must reach the boundary; got 0.9"),
        (SquareLinf, {"n_queries": 0}, "n_queries must be at least 1; got 0"),
        (SquareLinf, {"p_init": 0.0}, "p_init is a share of the image"),
        (A3Linf, {"restarts": 0}, "restarts must be at least 1; got 0"),
        (MaltL2, {"targets": 0}, "targets must be at least 1; got 0"),
        (AdaptiveLinf, {"losses": ("mse",)}, "No loss is called 'mse'"),
        (AdaptiveLinf, {"checks": 0}, "checks must be at least 1; got 0"),
        (AdaptiveLinf, {"negligible": 1.0}, "negligible is a share from 0 to below 1; got 1.0"),
        (AdaptiveLinf, {"draws": 0}, "draws must be at least 1; got 0"),
        (CarliniWagnerL2, {"search_steps": 0}, "search_steps must be at least 1; got 0"),
        (CarliniWagnerL2, {"steps": -1}, "steps must be at least 1; got -1"),
        (CarliniWagnerL2, {"initial_constant": 0.0}, "initial_constant must be above 0; got 0.0"),
        (CarliniWagnerL2, {"learning_rate": float("nan")}, "learning_rate must be above 0; got nan"),
        (CarliniWagnerL2, {"confidence": -0.1}, "confidence must be 0 or more; got -0.1"),
        (FmnL2, {"gamma": 0}, "0 < gamma_final <= gamma < 1; got 1.0, 0.001 and 0"),
        (DdnL2, {"initial": 0}, "initial be above 0; got 0.05 and 0"),
        (PdpgdL1, {"ratio": 2}, "ratio lie in [1e-06, 1]; got 0.1, 2"),
        (SigmaZeroL0, {"sigma": 0}, "sigma must be above 0; got 0"),
        (FmnL0, {"steps": 0}, "steps must be at least 1; got 0"),
        (OnePixel, {"population": 3}, "population must be at least 4; got 3"),
        (OnePixel, {"generations": 0}, "generations must be at least 1; got 0"),
        (OnePixel, {"scale": 0.0}, "scale must be above 0; got 0.0"),
        (StAdv, {"steps": 0}, "steps must be at least 1; got 0"),
        (StAdv, {"draws": 0}, "draws must be at least 1; got 0"),
        (StAdv, {"learning_rate": 0.0}, "learning_rate must be above 0; got 0.0"),
        (StAdv, {"smoothness": -1.0}, "smoothness must be 0 or more; got -1.0"),
    ],
)
def test_settings_that_make_no_sense_are_refused(kind: Any, values: Mapping[str, Any], sentence: str) -> None:
    with pytest.raises(UsageError) as raised:
        kind(**values)
    assert sentence in str(raised.value)
