"""Networks in torch, one family a file; nothing of ours is imported here."""
