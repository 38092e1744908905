# The two commands are `make demo` and `make test`. Everything they need, they install.
SHELL := /bin/bash
.DEFAULT_GOAL := help
PY := .venv/bin/python
RUN := .venv/bin
STAMP := .venv/.installed
MEMBERS := crds operator trainer_image eval cli localcluster helm
PACKAGES := webssl_api webssl_operator webssl_trainer webssl_eval webssl_cli webssl_localcluster webssl_chart
export OMP_NUM_THREADS ?= 1
export HF_HUB_OFFLINE := 1

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

.PHONY: demo
demo: setup ## From an empty machine to a trained, evaluated model on a real Kubernetes (CONTEXT=name uses yours)
	$(RUN)/webssl demo $(if $(CONTEXT),--context $(CONTEXT)) $(DEMO_FLAGS)

.PHONY: test
test: lint types imports unit contract e2e ## Everything that must hold before a commit lands

.PHONY: setup
setup: $(STAMP) ## Install the Python environment from the lock

$(STAMP): locks/dev.txt $(addsuffix /pyproject.toml,$(MEMBERS)) scripts/setup
	scripts/setup $(MEMBERS)
	@touch $@

.PHONY: lint
lint: setup ## ruff: style and format
	$(RUN)/ruff check .
	$(RUN)/ruff format --check .

.PHONY: types
types: setup ## mypy --strict on our packages
	$(RUN)/mypy $(addprefix -p ,$(PACKAGES))

.PHONY: imports
imports: setup ## The import contracts of the house
	$(RUN)/lint-imports

.PHONY: unit
unit: setup ## Fast tests without a cluster
	scripts/compiler
	$(RUN)/pytest tests/unit

.PHONY: search
search: setup ## Property tests with new examples each time, more of them where a test sets no number
	WEBSSL_EXAMPLES=search $(RUN)/pytest -m hypothesis tests/unit

.PHONY: tools
tools: setup ## The programs of the local cluster: found, fetched or built, once (ten minutes and more)
	[ -n "$$WEBSSL_TEST_CONTEXT" ] || $(RUN)/webssl cluster tools

.PHONY: contract
contract: tools ## Tests against a real API server
	$(RUN)/pytest tests/contract

.PHONY: e2e
e2e: tools ## Tests on a real cluster with a real S3 server (WEBSSL_TEST_CONTEXT=name uses yours)
	$(RUN)/pytest tests/e2e

.PHONY: kuberay
kuberay: tools ## Passes over data sets on Ray, by KubeRay's own operator (built here, ten minutes the first time)
	[ -n "$$WEBSSL_TEST_CONTEXT" ] || $(RUN)/webssl cluster tools ray-operator
	$(RUN)/pytest tests/kuberay

.PHONY: generate
generate: setup ## Write every generated file: CRD, dashboards, docs tables
	$(PY) -m webssl_api.generate .
	$(PY) -m webssl_chart.generate .
	$(PY) -m webssl_cli.docs .
	$(PY) -m webssl_trainer.data.faults .

.PHONY: lock
lock: ## Resolve again and write locks/ (hashes, no download addresses)
	scripts/lock

.PHONY: bench-operator
bench-operator: setup ## 1,000 runs on simulated nodes against 1,000 plain Jobs
	$(PY) benchmarks/operator/run.py

.PHONY: bench-train
bench-train: setup ## The trainer's step beside a plain one for each objective, on whatever device is there
	OMP_NUM_THREADS=$(shell nproc) $(PY) benchmarks/train/run.py

.bench/.installed: benchmarks/data/requirements.txt crds/pyproject.toml trainer_image/pyproject.toml
	UV=$$(command -v uv || echo .uv/bin/uv); [ -x .bench/bin/python ] || "$$UV" venv --quiet --python 3.11 .bench; \
	"$$UV" pip install --quiet --python .bench/bin/python -r $< $(addprefix -e ./,crds trainer_image)
	@touch $@

.PHONY: bench-data
bench-data: setup .bench/.installed ## The loader beside webdataset, litdata and mosaicml-streaming; the index at 2 billion samples
	$(PY) benchmarks/data/loaders.py --python .bench/bin/python
	.bench/bin/python benchmarks/data/index.py
	$(PY) benchmarks/data/range_reads.py

.PHONY: bench-curation
bench-curation: setup ## Text classes beside the known text of a mixed set made from packages (a few minutes on one core)
	OMP_NUM_THREADS=1 $(PY) benchmarks/curation/run.py

.PHONY: bench-learning
bench-learning: setup ## What short runs on a CPU learn beside random weights (about an hour on one core)
	$(PY) benchmarks/learning/dino.py
	$(PY) benchmarks/learning/mae.py
	$(PY) benchmarks/learning/clip.py

.PHONY: oldest
oldest: setup ## The trainer's tests on torch 2.11, the oldest supported (PYTHON=3.12 for another Python)
	scripts/compiler
	scripts/oldest

.PHONY: down
down: ## Remove the local cluster: no process, mount, namespace or bridge stays
	$(RUN)/webssl cluster down
