"""What the suite `app` is made of: one module a part of the application exporters."""
