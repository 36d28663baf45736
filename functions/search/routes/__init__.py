"""The routes of the API, a module each: request models, response models and their operations."""
