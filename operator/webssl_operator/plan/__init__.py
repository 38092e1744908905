"""Plan: from one snapshot and the clock to actions, one status and events. Pure; one policy a file, in the order of `planner`."""
