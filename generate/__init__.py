"""Everything in this repository that is written from the code.

That is plugin definitions, reference pages, tables of READMEs and the sources of dbt-braze. `make generate` writes the
files; a test fails while one of them is stale. Nothing here is part of a package.
"""
