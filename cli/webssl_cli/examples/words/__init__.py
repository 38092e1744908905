"""Words, numbers and letters as on signs and labels, in the layout of OCRBench."""
