"""Everything in this repository that is written from the code.

Plugin definitions, reference pages, tables of READMEs and the sources of dbt-braze:
`make generate` writes the files; a test fails while one of them is stale. Nothing here is part of a package.
"""
