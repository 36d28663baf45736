"""Audits of what ships: findings of checkov on the template, and bills of materials (CycloneDX).

They run in .venv-audit (`make audit`, `make sbom`) and may import the generators of docs/.
"""
