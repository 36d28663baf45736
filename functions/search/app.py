"""Entry point of the search function. Lambda keeps its objects between requests."""

import os

from imagesearch import bootstrap
from imagesearch.settings import Settings

from .composition import build_handler

settings = Settings.from_environment(os.environ)
handler = build_handler(settings, bootstrap.change_queue(settings))
bootstrap.warm_up(settings, texts=True)
