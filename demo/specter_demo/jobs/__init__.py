"""What the shop does by the clock: the digest and the backup, and who starts them."""
