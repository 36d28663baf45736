"""The custom resource that copies a model into the bucket of the stack."""
