"""What indexing and a query cost, measured on the machine at hand."""
