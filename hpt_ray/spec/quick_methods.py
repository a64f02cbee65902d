"""The options of the methods at the quick scale, where they differ from a method's own defaults."""

from __future__ import annotations

from hpt_ray.spec.options import Options

#: A short budget wants many small steps and a sharp softmax: see "The quick scale" in the README.
QUICK_METHODS: dict[str, Options] = {
    "moco_v2": {"queue": 1024, "key_momentum": 0.99, "temperature": 0.1, "dim": 64},
    "simclr": {"temperature": 0.2, "dim": 64},
    "byol": {"momentum": 0.97, "hidden": 256, "dim": 64},
    "lejepa": {"hidden": 256},
    "dino": {"momentum": 0.97, "hidden": 256, "dim": 64, "prototypes": 1024},
    "mae": {"patch": 4, "dim": 64, "depth": 2, "heads": 2},
    "vicreg": {"hidden": 256, "dim": 256},
}
