"""The webssl-operator: observe, plan, act."""
