"""Everything in this repository that is written from the code: plugin definitions, reference pages, tables of READMEs.

`make generate` writes the files; a test fails while one of them is stale. Nothing here is part of a package.
"""
