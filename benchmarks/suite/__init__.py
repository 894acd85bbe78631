"""What asv measures from commit to commit."""
