"""The baseline with every operation on colour left out: the jitter and the grayscale."""

from hpt_ray.spec.policies.baseline import policy as baseline

policy = baseline.without("color_jitter", "grayscale")
