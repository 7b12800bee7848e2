"""Where models come from. Knows no engine, no store and no page."""
