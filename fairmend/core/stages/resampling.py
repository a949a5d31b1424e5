"""Evaluators whose figures have bootstrap intervals: their four parameters, once."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar, Unpack

from fairmend.core.metrics.inference.settings import (
    INFERENCE_CONSTRAINTS,
    InferenceParameters,
    InferenceSettings,
)
from fairmend.core.stages.evaluation import Evaluator

_SETTING_OF = {"n_boot": "n_boot", "level": "level", "min_support": "min_support", "random_state": "seed"}


class ResamplingEvaluator(Evaluator):
    """Base of evaluators whose figures have bootstrap intervals.

    The parameters of the intervals come with it, so that an evaluator writes its own only. They are
    parameters as all others: in the signature, in ``get_params``, on the command line.

    Parameters
    ----------
    n_boot, level, min_support, random_state : int, float, int, int
        Replicates, coverage, rows below which a group is insufficient evidence, seed.

    Attributes
    ----------
    inference_defaults : InferenceSettings
        The defaults of the class.

    Examples
    --------
    >>> from fairmend.base import InferenceParameters
    >>> class Rates(ResamplingEvaluator):
    ...     inference_defaults = InferenceSettings(n_boot=500)
    ...     def __init__(self, reference: str = "to_best", **inference: Unpack[InferenceParameters]) -> None:
    ...         super().__init__(**inference)
    ...         self.reference = reference
    >>> Rates(level=0.9)
    Rates(level=0.9)
    >>> Rates(level=0.9).inference.n_boot
    500
    """

    inference_defaults: ClassVar[InferenceSettings] = InferenceSettings(n_boot=1000)
    n_boot: int
    level: float
    min_support: int
    random_state: int

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._parameter_constraints = {**cls._parameter_constraints, **INFERENCE_CONSTRAINTS}
        if "__init__" in cls.__dict__:
            _show(cls.__dict__["__init__"], cls.inference_defaults)

    def __init__(self, **inference: Unpack[InferenceParameters]) -> None:
        for name in inference.keys() - _SETTING_OF.keys():
            raise TypeError(f"{type(self).__name__}() got an unexpected keyword argument {name!r}")
        for name, setting in _SETTING_OF.items():
            setattr(self, name, inference.get(name, getattr(self.inference_defaults, setting)))

    @property
    def inference(self) -> InferenceSettings:
        """The settings; ``n_permutations`` is that of the evaluator where it has one."""
        permutations = getattr(self, "n_permutations", self.inference_defaults.n_permutations)
        return InferenceSettings(
            self.n_boot, self.level, self.min_support, self.random_state, n_permutations=permutations
        )


def _show(init: Callable[..., None], defaults: InferenceSettings) -> None:
    """Put the four parameters in the signature of a constructor, where scikit-learn and readers look."""
    own = inspect.signature(init)
    named = [p for p in own.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    named += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=getattr(defaults, setting))
        for name, setting in _SETTING_OF.items()
    ]
    init.__signature__ = own.replace(parameters=named)  # type: ignore[attr-defined]


_show(ResamplingEvaluator.__init__, ResamplingEvaluator.inference_defaults)
