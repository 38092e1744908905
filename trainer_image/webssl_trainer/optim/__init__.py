"""Optimizer: schedules as functions of the step, parameter groups, gradient reduction and clipping."""
