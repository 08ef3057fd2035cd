# make demo    a simulated person, recognised live over ROS 2 (does the set-up it needs)
# make check   lint, types, and the tests without ROS, browser and training (two minutes)
# make test    lint, types and all tests (twenty minutes)
# make setup   the set-up alone; '. ./env.sh' then puts a shell into it. ROS=kilted: with Kilted's wheels (default: jazzy's)
# make model   train the shipped simulator model again (40 minutes on two cores)
# make utd     train the shipped models of UTD-MHAD again (half an hour; needs the data set, see docs/datasets.md)
# make clean   remove what setup made
SHELL := /bin/bash
PARALLEL = --dist worksteal --numprocesses
.DEFAULT_GOAL := help
.PHONY: help setup demo check test model utd clean

help:
	@sed -n 's/^# //p' Makefile

setup:
	@scripts/setup.sh

demo: setup
	@. ./env.sh && mumu demo $(ARGS)

check: setup
	@. ./env.sh && pytest $(PARALLEL) 2 --fast $(ARGS)

test: setup
	@# Three for two cores: tests of nodes mostly wait.
	@. ./env.sh; pytest $(PARALLEL) 3 -m "not serial"; parallel=$$?; pytest -m serial && exit $$parallel

model: setup
	@# First everything; then on from there with sensors taken away most of the time: so that each sensor learns to classify alone.
	@. ./env.sh && mumu train config/training/sim.yaml --out build/sim_base \
	    && mumu train config/training/sim.yaml optimization.frame_epochs=0 optimization.epochs=5 \
	        optimization.learning_rate=0.002 optimization.deep_supervision_weight=2 augmentation.modality_dropout=0.8 \
	        --init build/sim_base --out models/sim \
	    && mumu health sim simulator --subjects 0-23 \
	    && mumu export sim --backend onnxruntime

utd: setup
	@# The cross-validation sets the threshold of unknown activities.
	@. ./env.sh && for sensors in dp dsp; do \
	    mumu cross-validate config/training/utd_mhad_$$sensors.yaml data.protocol=open_set --out build/$${sensors}_open \
	        && mumu train config/training/utd_mhad_$$sensors.yaml --calibration build/$${sensors}_open/calibration.json \
	            --out models/utd-mhad-$$sensors || exit; \
	done

clean:
	rm -rf .venv build
