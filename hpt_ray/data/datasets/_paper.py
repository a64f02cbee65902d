"""The paper's 16 data sets as data: what each is, how it is measured, how large it is and where it comes from.

Read in the authors' repository (cjrd/self-supervised-pretraining, commit 95fb5c3): channel statistics in
``utils/pretrain-configs`` and ``OpenSelfSup/configs/hpt-pretrain/*/base-*-config.py``; classes, metric and the names of
the image lists in ``hpt-pretrain/*/linear-eval/linear-eval-base.py``. What could not be read there is marked, and what
could not be verified at all is None; other sizes agree with TensorFlow Datasets' catalogue (DomainNet, Flowers) or
with public copies of the data. The lists themselves are published for RESISC45 and UC-Merced alone.
"""

from __future__ import annotations

from dataclasses import dataclass

Channels = tuple[float, float, float]


@dataclass(frozen=True)
class Sizes:
    """Images per split: of the authors' lists where these are published, else as the home hands them out."""

    train: int | None = None
    val: int | None = None
    test: int | None = None


@dataclass(frozen=True)
class Entry:
    """One data set.

    Attributes:
        name: What follows ``paper:``.
        title: What its makers call it.
        classes: How many there are.
        mean, std: Per channel in 0..1, for reference: training computes its own from the decoded train + val images.
        home: Where it is to be had.
        folder: Its folder below the data root, where the lists' paths begin.
        lists: The image lists, with {} for train, val and test.
        multilabel: Whether an image has several labels, and not one.
        images: The sub-folder with the class folders, for those who have no lists.
        names: Of the classes, in the order of their numbers; () where they are not known.
        licence: What its makers ask, where known.
        hint: Another way to get it.
    """

    name: str
    title: str
    classes: int
    sizes: Sizes
    mean: Channels
    std: Channels
    home: str
    folder: str
    lists: str
    multilabel: bool = False
    images: str = ""
    names: tuple[str, ...] = ()
    licence: str | None = None
    hint: str = ""


def _split(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


RESISC = _split(
    "airplane, airport, baseball_diamond, basketball_court, beach, bridge, chaparral, church, circular_farmland, "
    "cloud, commercial_area, dense_residential, desert, forest, freeway, golf_course, ground_track_field, harbor, "
    "industrial_area, intersection, island, lake, meadow, medium_residential, mobile_home_park, mountain, overpass, "
    "palace, parking_lot, railway, railway_station, rectangular_farmland, river, roundabout, runway, sea_ice, ship, "
    "snowberg, sparse_residential, stadium, storage_tank, tennis_court, terrace, thermal_power_station, wetland"
)
UCMERCED = _split(
    "agricultural, airplane, baseballdiamond, beach, buildings, chaparral, denseresidential, forest, freeway, "
    "golfcourse, harbor, intersection, mediumresidential, mobilehomepark, overpass, parkinglot, river, runway, "
    "sparseresidential, storagetanks, tenniscourt"
)
COCO = _split(
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light, fire hydrant, stop sign, "
    "parking meter, bench, bird, cat, dog, horse, sheep, cow, elephant, bear, zebra, giraffe, backpack, umbrella, "
    "handbag, tie, suitcase, frisbee, skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard, "
    "surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana, apple, sandwich, orange, "
    "broccoli, carrot, hot dog, pizza, donut, cake, chair, couch, potted plant, bed, dining table, toilet, tv, laptop, "
    "mouse, remote, keyboard, cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors, "
    "teddy bear, hair drier, toothbrush"
)
PASCAL = _split(
    "aeroplane, bicycle, bird, boat, bottle, bus, car, cat, chair, cow, diningtable, dog, horse, motorbike, person, "
    "pottedplant, sheep, sofa, train, tvmonitor"
)


def _domain(domain: str, train: int, test: int, mean: Channels, std: Channels) -> Entry:
    """One of DomainNet's: the sizes are those of its home's cleaned lists; the authors cut their val from train."""
    return Entry(
        name=domain,
        title=f"DomainNet {domain}",
        classes=345,
        sizes=Sizes(train=train, test=test),
        mean=mean,
        std=std,
        home="http://ai.bu.edu/DomainNet/",
        # As its home hands it out, all domains in one folder; the authors' own lists are not published.
        folder="domain_net",
        lists=f"{domain}_{{}}.txt",
        images=domain,
        licence="contains copyrighted images, for academic research",
    )


_ALL = (
    Entry(
        name="xview",
        title="xView, in tiles",
        classes=36,  # of its home's 60
        multilabel=True,
        sizes=Sizes(),
        # RESISC45's, which the authors' xView configurations carry; their detection configuration has xView's own,
        # 0.2267, 0.1873, 0.1521 and 0.1687, 0.1357, 0.1249.
        mean=(0.368, 0.381, 0.3436),
        std=(0.2035, 0.1854, 0.1849),
        home="http://xviewdataset.org",
        folder="xview",
        lists="meta/{}.txt",
        licence="CC BY-NC-SA 4.0",
    ),
    Entry(
        name="resisc",
        title="NWPU-RESISC45",
        classes=45,
        # utils/raw-tf-splits/resisc45, which are VTAB's: together all 31,500.
        sizes=Sizes(18_900, 6_300, 6_300),
        mean=(0.368, 0.381, 0.3436),
        std=(0.2035, 0.1854, 0.1849),
        home="http://www.escience.cn/people/JunweiHan/NWPU-RESISC45.html",
        folder="resisc45",
        lists="meta/{}-labeled.txt",
        images="all",
        names=RESISC,
        hint="the paper's authors' copy is https://people.eecs.berkeley.edu/~cjrd/data/resisc45.tar.gz",
    ),
    Entry(
        name="ucmerced",
        title="UC Merced Land Use",
        classes=21,
        # utils/raw-tf-splits/uc_merced: together all 2,100.
        sizes=Sizes(1_260, 420, 420),
        mean=(0.4842, 0.4901, 0.4505),
        std=(0.2180, 0.2021, 0.1958),
        home="http://weegee.vision.ucmerced.edu/datasets/landuse.html",
        folder="ucmerced",
        # The authors' train list is train_labeled_repeat.txt, which names an image several times to fill their batch.
        lists="meta/{}_labeled.txt",
        images="Images",
        names=UCMERCED,
        licence="public domain images",
    ),
    Entry(
        name="bdd",
        title="BDD100K, weather",
        classes=6,
        # Its home's; it gives test no labels, so the authors' lists, which have some, cut otherwise.
        sizes=Sizes(70_000, 10_000, 20_000),
        mean=(0.2789, 0.2929, 0.2902),
        std=(0.2474, 0.2653, 0.2761),
        home="https://bdd-data.berkeley.edu",
        folder="bdd",
        lists="meta/{}_weather_labeled.txt",
        licence="for education, research and not-for-profit purposes",
    ),
    Entry(
        name="viper",
        title="VIPER (Playing for Benchmarks)",
        # As the evaluations are configured; utils/pretrain-configs/viper.sh has six classes of weather instead.
        classes=23,
        multilabel=True,
        sizes=Sizes(),
        mean=(0.3485, 0.3422, 0.3395),
        std=(0.2449, 0.2408, 0.2390),
        home="https://playing-for-benchmarks.org",
        folder="viper",
        lists="meta/{}_multi_label.txt",
    ),
    Entry(
        name="chexpert",
        title="CheXpert",
        classes=5,
        multilabel=True,
        sizes=Sizes(223_414, 234),  # its home's train and valid; its test is not handed out
        mean=(0.5028, 0.5028, 0.5028),
        std=(0.2919, 0.2919, 0.2919),
        home="https://stanfordmlgroup.github.io/competitions/chexpert/",
        folder="chexpert",
        lists="meta/{}-labeled.txt",
        names=("Atelectasis", "Cardiomegaly", "Consolidation", "Edema", "Pleural Effusion"),
        licence="research use agreement, on registration",
    ),
    Entry(
        name="chest_xray_kids",
        title="Pediatric Pneumonia Chest X-ray",
        # Its home's folders. The authors' classifier has ten outputs, their template's default, which says nothing.
        classes=2,
        sizes=Sizes(train=5_232, test=624),  # its home's
        mean=(0.4815, 0.4815, 0.4815),
        std=(0.2377, 0.2377, 0.2377),
        home="https://www.kaggle.com/andrewmvd/pediatric-pneumonia-chest-xray",
        folder="chest_xray_kids",
        lists="meta/{}-labeled.txt",
        names=("NORMAL", "PNEUMONIA"),
        licence="CC BY 4.0",
    ),
    Entry(
        name="coco_2014",
        title="COCO 2014",
        classes=80,
        multilabel=True,
        sizes=Sizes(82_783, 40_504),  # its home's, which gives test no labels
        mean=(0.4702, 0.4470, 0.4076),
        std=(0.2785, 0.2740, 0.2889),
        home="https://cocodataset.org/#home",
        folder="coco_2014",
        lists="meta/{}.txt",
        names=COCO,
        licence="annotations CC BY 4.0, images under Flickr's terms of use",
    ),
    Entry(
        name="pascal",
        title="Pascal VOC",
        classes=20,
        multilabel=True,
        sizes=Sizes(),  # which years were taken is not said
        mean=(0.4511, 0.4292, 0.3967),
        std=(0.2764, 0.2729, 0.2849),
        home="http://host.robots.ox.ac.uk/pascal/VOC/",
        folder="pascal",
        lists="meta/{}_labeled.txt",
        names=PASCAL,
        licence="images under Flickr's terms of use",
    ),
    _domain("clipart", 33_525, 14_604, (0.7362, 0.7167, 0.6834), (0.3642, 0.3654, 0.3887)),
    _domain("infograph", 36_023, 15_582, (0.6888, 0.6970, 0.6648), (0.3331, 0.3094, 0.3281)),
    _domain("painting", 50_416, 21_850, (0.5743, 0.5466, 0.5083), (0.3088, 0.3007, 0.3168)),
    _domain("quickdraw", 120_750, 51_750, (0.9525, 0.9525, 0.9525), (0.2128, 0.2128, 0.2128)),
    _domain("real", 120_906, 52_041, (0.6059, 0.5890, 0.5558), (0.3344, 0.3279, 0.3493)),
    _domain("sketch", 48_212, 20_916, (0.8327, 0.8270, 0.8179), (0.2727, 0.2753, 0.2810)),
    Entry(
        name="flowers",
        title="Oxford Flowers 102",
        classes=102,
        sizes=Sizes(1_020, 1_020, 6_149),  # its home's
        mean=(0.4355, 0.3777, 0.2880),
        std=(0.2970, 0.2459, 0.2705),
        home="https://www.robots.ox.ac.uk/~vgg/data/flowers/",
        folder="flowers",
        lists="meta/{}.txt",
        hint="torchvision:Flowers102,download=yes has the same images and splits",
    ),
)

ENTRIES = {entry.name: entry for entry in _ALL}
