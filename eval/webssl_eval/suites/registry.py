"""From a suite in the manifest to the suite that runs it."""

from __future__ import annotations

from webssl_api.evaluation import SuiteSpec

from webssl_eval.suites.depth.suite import LinearDepth
from webssl_eval.suites.interface import Suite
from webssl_eval.suites.knn import KnnClassification
from webssl_eval.suites.linear.suite import LinearClassification
from webssl_eval.suites.segmentation.suite import LinearSegmentation


def suite_for(spec: SuiteSpec) -> Suite:
    """The suite that a manifest's entry describes."""
    if spec.knn is not None:
        return KnnClassification(spec.knn)
    if spec.linear is not None:
        return LinearClassification(spec.linear)
    if spec.segmentation is not None:
        return LinearSegmentation(spec.segmentation)
    if spec.depth is not None:
        return LinearDepth(spec.depth)
    # Language models are imported only by who needs them: a k-NN pod starts without.
    if spec.alignment is not None:
        from webssl_eval.suites.alignment.suite import LanguageAlignment

        return LanguageAlignment(spec.alignment)
    if spec.vqa is not None:
        from webssl_eval.suites.vqa.suite import VisualQuestions

        return VisualQuestions(spec.vqa)
    if spec.zeroshot is not None:
        from webssl_eval.suites.zeroshot.suite import ZeroShot

        return ZeroShot(spec.zeroshot)
    raise AssertionError("the API admits exactly one kind per suite")
