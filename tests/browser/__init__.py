"""The portal in a real browser (headless Chromium), on one private instance for all tests."""
