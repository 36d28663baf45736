"""Entry point of the indexing function. Lambda keeps its objects between batches."""

import os

from imagesearch import bootstrap
from imagesearch.settings import Settings

from .composition import build_handler

settings = Settings.from_environment(os.environ)
handler = build_handler(settings, bootstrap.indexer(settings))
bootstrap.warm_up(settings, texts=False)
