# objfs: the two commands of a fresh machine are `make demo` and `make test`.

PREFIX ?= /usr/local
SWIFT ?= swift
STRICT = --explicit-target-dependency-import-check error -Xswiftc -warnings-as-errors
RELEASE = -c release --static-swift-stdlib

.PHONY: all deps deps-test deps-bench deps-examples build release lint test fuzz demo examples bench install uninstall clean

all: build

deps: ## Installs what building and mounting need (Debian).
	.ci/deps build

deps-test: ## Installs what the tests need besides: real servers and the programs they drive.
	.ci/deps test

deps-bench: ## Installs the peers that the benchmarks compare with.
	.ci/deps bench

deps-examples: ## Installs what the examples need: Ray, Spark and RayDP, in a folder of the project.
	.ci/deps examples

build: deps
	$(SWIFT) build $(STRICT)

release: deps
	$(SWIFT) build $(RELEASE) --product objfs
	$(SWIFT) build $(RELEASE) --product objfs-preload

lint:
	$(SWIFT) format lint --strict --recursive Package.swift Sources Tests
	.ci/lint

test: deps-test
	.ci/test

fuzz: deps ## Makes up input for all formats: each for SECONDS, or those of TARGETS.
	Tests/Fuzzing/fuzz $(or $(SECONDS),60) $(TARGETS)

demo: release
	.ci/demo

examples: deps-examples release
	.ci/examples $(ONLY)

bench: deps-bench release
	Tests/Benchmarks/bench $(ONLY)

install: release
	.ci/install install "$(DESTDIR)" "$(PREFIX)"

uninstall:
	.ci/install uninstall "$(DESTDIR)" "$(PREFIX)"

clean:
	$(SWIFT) package clean
