"""Entry point of the reconciling function, which loads no model."""

import os

from .composition import build_handler

handler = build_handler(os.environ)
