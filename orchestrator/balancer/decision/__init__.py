"""What to do next: `policy.decide`, a pure function of an `Observation`, and the parts that it is made of."""
