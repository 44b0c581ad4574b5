"""配置包: everything that is configuration as one file, and taking it over elsewhere."""
