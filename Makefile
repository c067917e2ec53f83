# Everything a person types here. `make help` explains it.

export CGO_ENABLED := 0

# HTTP/1.1 is enough for an archive: a third of a megabyte less in the program.
export GOFLAGS := -tags=nethttpomithttp2

GO       ?= go
VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LINTER   := github.com/golangci/golangci-lint/v2/cmd/golangci-lint@v2.15.0
FUZZTIME ?= 10s
COUNT    ?= 5

.PHONY: help build run test vm lint golden fuzz bench soak clean deps kernel

help:
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "%-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## the program, ./holdfast
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o holdfast ./cmd/holdfast

run: build ## the console on a demo flash, in this terminal
	./holdfast console --demo

# Packages are tested side by side, one a processor; QEMU without KVM keeps one processor busy.
test: deps kernel ## vet and all tests; installs missing Debian packages
	$(GO) vet ./...
	$(GO) test -vet=off -timeout 40m ./...

vm: build deps kernel ## GRUB, the console and an image in a virtual machine, by hand
	@.ci/vm

lint: ## formatting, vet and golangci-lint
	@test -z "$$(gofmt -l .)" || { gofmt -d .; exit 1; }
	$(GO) vet ./...
	$(GO) run $(LINTER) run ./...

golden: ## write the screens of the golden tests anew: read the diff
	$(GO) test $(sort $(dir $(shell grep -rl --include='*_test.go' '"update"' tui | sed 's,^,./,'))) -update

fuzz: ## every fuzz test for FUZZTIME (10s)
	@for package in $$($(GO) list ./...); do \
		for test in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$test"; \
			$(GO) test -run '^$$' -fuzz "^$$test\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 10x $$package || exit 1; \
		done; \
	done

# The figures of the README come from the benchmarks of cmd/holdfast, which boot virtual machines.
bench: deps kernel ## benchmarks, and the figures of the README
	$(GO) test -run '^$$' -bench . -benchmem $$($(GO) list ./... | grep -v /cmd/)
	$(GO) test -run '^$$' -bench . -benchtime 3x -timeout 60m ./cmd/holdfast

soak: deps kernel ## long: every fuzz test for a minute, every state of the crash lab, the chain COUNT (5) times
	$(MAKE) fuzz FUZZTIME=60s
	$(GO) test -v -timeout 5h ./ops/bench/crashlab -lab.full
	$(GO) test -count $(COUNT) -timeout 2h ./cmd/holdfast ./ops/bench/vm
	$(GO) test -timeout 3h ./ops/bench/powercut -cuts 200 -v
	$(GO) test -timeout 2h ./ops/bench/vfatlab -states 600 -omit all -v

clean: ## what was built; the packages and the test kernel stay
	rm -rf holdfast .cache/vm

deps:
	@.ci/deps

kernel:
	@.ci/kernel >/dev/null
	@.ci/kernel 6.12 >/dev/null
