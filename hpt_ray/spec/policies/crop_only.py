"""Only the crop (the paper's "crop only"; its configuration has no flip)."""

from hpt_ray.spec.policies.baseline import policy as baseline

policy = baseline.without("color_jitter", "grayscale", "blur", "flip")
