"""The baseline without colour jitter, grayscale kept (the paper's "remove color")."""

from hpt_ray.spec.policies.baseline import policy as baseline

policy = baseline.without("color_jitter")
