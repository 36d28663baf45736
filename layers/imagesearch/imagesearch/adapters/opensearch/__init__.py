"""The VectorIndex port over OpenSearch: k-NN by HNSW, conditional bulk writes, listings.

Imports opensearch-py, numpy, the domain and adapters.index_records.
"""
