"""Damaged thumbnails and feedback."""

from __future__ import annotations

from imagesearch import bootstrap
from imagesearch.domain.images import ImageRef
from imagesearch.feedback import damaged_feedback, set_aside
from imagesearch.indexing.thumbnail_verification import damaged_thumbnails, forget_thumbnails
from imagesearch.settings import Settings
from local.verification.findings import DAMAGED, Finding, Findings


def add_derived(
    settings: Settings, findings: Findings, *, repair: bool, thumbnails: bool
) -> list[ImageRef]:
    """Print damaged thumbnails and feedback; the images of the thumbnails.

    With `repair`, these thumbnails are missing in their records, and this feedback is set aside.
    """
    derived, index = bootstrap.derived_store(settings), bootstrap.vector_index(settings)
    if derived is None:
        return []
    damaged = []
    for each in damaged_thumbnails(index, derived) if thumbnails else ():
        damaged.append(each)
        findings.add(Finding(each.ref, DAMAGED, each.reason))
    if repair:
        forget_thumbnails(index, derived, damaged)
    for key in damaged_feedback(derived):
        reason = "this feedback is not what was stored"
        findings.add(Finding(ImageRef(findings.bucket, key), DAMAGED, reason))
        if repair:
            set_aside(derived, key)
    return [each.ref for each in damaged]
