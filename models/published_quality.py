"""What is published of CLIP ViT-B/32 in float32, to hold one's own figures against.

`ViT-B-32,openai` in open_clip's docs/openclip_retrieval_results.csv (image retrieval) and
docs/openclip_results.csv, https://github.com/mlfoundations/open_clip; in percent.
"""

from models.recall import Recall

RETRIEVAL: dict[str, Recall] = {
    "Flickr30k, 1,000 photos": {"R@1": 58.8, "R@5": 83.6, "R@10": 90.0},
    "COCO, 5,000 photos": {"R@1": 30.4, "R@5": 55.9, "R@10": 66.9},
}
ZERO_SHOT_IMAGENET = 63.3  # top-1
