"""The function that SQS invokes with changes of the bucket: it indexes the images concerned."""
