"""The model of the truth: after any history, the index and the thumbnails equal the bucket."""
