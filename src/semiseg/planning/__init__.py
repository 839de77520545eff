"""From a data set and a machine to the settings that a run leaves open, each with its reason."""
