"""What columns of images, labels, splits and groups are called, in lists and in tables."""

from __future__ import annotations

import re

#: What the columns are called, in lower case and without blanks, hyphens and underscores.
NAMES = {
    **dict.fromkeys(("path", "paths", "filepath", "file", "files", "filename", "image", "img", "imagepath"), "path"),
    **dict.fromkeys(("imgpath", "imagefile", "imagefilename", "imagefilepath", "imagename", "imgname"), "path"),
    **dict.fromkeys(("label", "labels", "labelname", "class", "classname", "classlabel", "category"), "label"),
    **dict.fromkeys(("target", "targets"), "label"),
    **dict.fromkeys(("split", "splits", "subset", "partition", "set"), "split"),
    **dict.fromkeys(("group", "groups", "groupid", "patient", "patientid", "subjectid", "sceneid"), "group"),
}


def column_of(cell: str) -> str | None:
    """What a column of this name holds: "path", "label", "split" or "group"; None where that is not known."""
    return NAMES.get(cell.lower().translate(str.maketrans("", "", " -_")))


def may_be_label(name: str) -> bool:
    """Whether a column's name is, or ends like, one of labels: ``label``, ``fine_label``, ``imageClass``."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).replace("_", " ").replace("-", " ").replace(".", " ").split()
    return any(column_of("".join(words[place:])) == "label" for place in range(len(words)))


def may_be_split(name: str) -> bool:
    """Whether a column's name is one of splits: ``split``, ``subset``, ``set``, ..."""
    return column_of(name) == "split"


def may_be_group(name: str) -> bool:
    """Whether a column's name is one of groups: ``group``, ``patient_id``, ``SceneID``, ..."""
    return column_of(name) == "group"
