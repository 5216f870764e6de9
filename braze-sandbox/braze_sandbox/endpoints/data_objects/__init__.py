"""Endpoints of Data Objects (early access): types, records, and their links to users and each other."""
