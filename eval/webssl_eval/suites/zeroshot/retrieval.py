"""Image-text retrieval in both directions, with several captions for an image and several images for a caption. Pure.

Source: Karpathy and Fei-Fei, "Deep visual-semantic alignments for generating image descriptions" (2015): the share of
images that have one of their own captions among the k nearest, and of captions that have their own image there.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from webssl_eval.suites.zeroshot.ranks import Ranked, chance, ranked, recall

CUTS = (1, 5, 10)
_TOP = 5


@dataclass(frozen=True)
class Captions:
    """Distinct captions and whose they are: equal texts can not be told apart, and are one caption of all their images.

    texts: in the order of their first image. of_image: for each image the numbers of its captions. of_text: for each
    caption the numbers of its images.
    """

    texts: list[str]
    of_image: list[list[int]]
    of_text: list[list[int]]


def captions_of(groups: Sequence[Sequence[str]]) -> Captions:
    """The captions of images, which are given image by image."""
    numbers: dict[str, int] = {}
    of_image = [
        list(dict.fromkeys(numbers.setdefault(text, len(numbers)) for text in group)) for group in groups
    ]
    of_text: list[list[int]] = [[] for _ in numbers]
    for image, own in enumerate(of_image):
        for text in own:
            of_text[text].append(image)
    return Captions(list(numbers), of_image, of_text)


@dataclass(frozen=True)
class Retrieved:
    """What is found in both directions."""

    captions: Captions
    by_image: Ranked
    by_text: Ranked

    @property
    def scores(self) -> dict[str, float]:
        """R@1, 5 and 10 in per cent both ways, and what an order drawn by lot would have, as `prior_...`."""
        own = self.captions
        found: dict[str, float] = {}
        for k in CUTS:
            found[f"imageToTextR{k}"] = recall(self.by_image.ranks, k)
            found[f"textToImageR{k}"] = recall(self.by_text.ranks, k)
            found[f"prior_imageToTextR{k}"] = chance(own.of_image, len(own.texts), k)
            found[f"prior_textToImageR{k}"] = chance(own.of_text, len(own.of_image), k)
        return found

    def predictions(self, keys: Sequence[str]) -> list[dict[str, Any]]:
        """A line for each image, then one for each caption: the rank of the best right one, and what came first."""
        texts, own = self.captions.texts, self.captions
        images = [
            {
                "task": "imageToText",
                "id": key,
                "captions": [texts[number] for number in own.of_image[row]],
                "rank": int(self.by_image.ranks[row]),
                "nearest": [texts[number] for number in self.by_image.nearest[row]],
            }
            for row, key in enumerate(keys)
        ]
        captions = [
            {
                "task": "textToImage",
                "caption": text,
                "images": [keys[number] for number in own.of_text[row]],
                "rank": int(self.by_text.ranks[row]),
                "nearest": [keys[number] for number in self.by_text.nearest[row]],
            }
            for row, text in enumerate(texts)
        ]
        return [*images, *captions]


def retrieve(images_NE: Tensor, texts_TE: Tensor, captions: Captions) -> Retrieved:
    """Images among captions and captions among images.

    Args:
        images_NE: unit vectors of the images that `captions` counts.
        texts_TE: unit vectors of its texts, on the same device.
        captions: whose captions they are.
    """
    return Retrieved(
        captions,
        ranked(images_NE, texts_TE, captions.of_image, _TOP),
        ranked(texts_TE, images_NE, captions.of_text, _TOP),
    )
