"""The interval of a mean for these very weights, which that of two seeds is never narrower than.

Two seeds often have equal means by luck, of few test images above all. Then nothing is left of the luck of seeds, nor
of the chance in single answers, which is counted between seeds: two arms were found equal, or different, with
certainty. More seeds seldom agree, and Student's quantile holds for them.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from hpt_ray.analysis.stats.groups import number, widening


def half_widths(values: np.ndarray, present: np.ndarray, drawn: np.ndarray, level: float) -> np.ndarray:
    """z sd_i(mean_s x[s, i]) / sqrt(N), of groups with Student's quantile; 0 for other than two seeds, or one repeated.

    In the model of ``bootstrap.py`` its square over z^2 is the variance that b and r give the mean, of which b's is
    var(b) / N and r's var(r) / (S N): a part of the whole, whatever the luck of the seeds.

    Args:
        values: [values, seeds, examples]. present: [values, seeds], which seeds a value has. drawn: [values], how many
            of these are no copies of one.
    """
    z = float(special.ndtri((1 + level) / 2)) * widening(number(values), level) / math.sqrt(values.shape[2])
    widths = []
    for value, rows, seeds in zip(np.asarray(values), present, drawn, strict=True):
        widths.append(z * float(value[rows].mean(axis=0).std()) if seeds == 2 else 0.0)
    return np.array(widths)
