"""The tests: a package, so that no other package that is called ``tests`` is taken for their helpers."""
