"""The function of the REST API: search, images, duplicates, classification, feedback and health."""
