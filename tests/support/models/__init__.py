"""Models for tests: tiny ones, ones that memorize photos, and fakes of encoders and self-tests."""
