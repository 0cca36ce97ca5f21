"""What the suite `service` is made of: one part of the detector's life a module."""
