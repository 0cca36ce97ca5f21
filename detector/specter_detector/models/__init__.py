"""Models of a series: arrays in, arrays out; no HTTP, no clock, no configuration file.

`seasonal.fit` learns a `FittedModel` from history, `FittedModel.predict` gives
the expected band at any later time, `score.score` compares values with it.
"""
