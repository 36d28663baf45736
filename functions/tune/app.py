"""Entry point of the tuning function, which loads the model when it runs."""

import os

from .composition import build_handler

handler = build_handler(os.environ)
