"""The suites. A new one is a file or folder here, a field of `webssl_api.evaluation.SuiteSpec`, and a line in `registry`."""
