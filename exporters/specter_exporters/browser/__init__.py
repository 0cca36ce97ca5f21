"""What browsers measure of pages: a beacon that takes the web-vitals package's values."""
