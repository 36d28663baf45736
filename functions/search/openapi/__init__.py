"""The OpenAPI document of the API. May import everything of this function but its entry point."""
