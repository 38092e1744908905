"""Charts of real tables with questions about them, in the layout of ChartQA."""
