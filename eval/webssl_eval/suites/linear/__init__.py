"""Linear classification: a grid of heads on frozen features, all of them trained in one pass over the features."""
