"""Views (arrays and captions) and what draws, prints or pages them; nothing in this room runs an experiment."""
