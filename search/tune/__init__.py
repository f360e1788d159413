"""Ray Tune: trials, searcher, scheduler and the fit that brings them together."""
