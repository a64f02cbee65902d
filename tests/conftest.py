"""Its place alone matters: pytest puts the folder of a conftest on the path, so that tests can ``import simulate``."""
