"""From features and labels to batches."""
