"""Self-test: runs the calibration on a model folder, and stores its result.

May import what `embedding` may, the calibration, and Pillow for edits of photos.
"""
