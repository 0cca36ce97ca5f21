"""What providers tell of mails and webhooks: signed events, counted by outcome."""
