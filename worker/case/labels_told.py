"""Which labels are findings by themselves, and no anatomy."""

from models.card.card_parts import Label

#: Morphologically Abnormal Structure.
_ABNORMAL = ("49755003", "SCT")


def abnormal(label: Label) -> bool:
    """Say whether a label is no part of anatomy: it lies at a site and is none itself, and its absence is an answer."""
    return label.instances or of_abnormal_category(label)


def of_abnormal_category(label: Label) -> bool:
    """Say whether its card calls a label a Morphologically Abnormal Structure."""
    return (label.category.value, label.category.scheme) == _ABNORMAL
