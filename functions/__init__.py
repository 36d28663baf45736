"""The Lambda functions, a package each. They import imagesearch, and never each other."""
