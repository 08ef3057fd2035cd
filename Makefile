# make demo    a simulated person, recognised live over ROS 2 (does the set-up it needs)
# make test    lint, types and tests (does the set-up it needs)
# make setup   the set-up alone; '. ./env.sh' then puts a shell into it
# make model   train the shipped simulator model again (minutes on two cores)
# make clean   remove what setup made
SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help setup demo test model clean

help:
	@sed -n 's/^# //p' Makefile

setup:
	@scripts/setup.sh

demo: setup
	@. ./env.sh && mumu demo $(ARGS)

test: setup
	@. ./env.sh && pytest $(ARGS)

model: setup
	@. ./env.sh && mumu train config/training/sim.yaml --out models/sim $(ARGS)

clean:
	rm -rf .venv build
