"""The benchmarks of the paper: one small file each that says where its files are, what is asked, and how answers are scored.

The paper's numbers come from Cambrian-1's evaluation (github.com/cambrian-mllm/cambrian, eval/). Where that and a benchmark's
own tool differ, prompts and scores here follow Cambrian-1, so that they compare with the paper; the docstring of each file
states its rule, what it makes of case, articles, units and numbers in words, and where it departs from either and why.

A benchmark's files lie in a folder of its name; `checking.questions` reads them, `Benchmark.prompt` asks, and `scoring.score`
is a pure function of references and predictions. docs/add-a-benchmark.md adds one.
"""
