"""These tests look at the pages as people do: with a real Chromium, by mouse, by keyboard, by axe."""
