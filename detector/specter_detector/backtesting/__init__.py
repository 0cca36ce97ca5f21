"""The model on history: replay it, explain a moment of it, suggest settings from it."""
