"""What a user sees while a search runs, and how it is interrupted."""
