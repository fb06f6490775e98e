"""The proof of the course: its files, its answers right and wrong, its notebooks, and the way through it."""
