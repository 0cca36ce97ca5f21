"""What the accuracy suite is made of: labelled series, detectors under test, and how they are scored."""
