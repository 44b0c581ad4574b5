"""The whole review year of 2022 over HTTP, as every role, on a private instance: `make story`."""
