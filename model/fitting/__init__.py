"""Multi-emitter fits: positions, photons and their uncertainties of emitters whose images overlap."""
