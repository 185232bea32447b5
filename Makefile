# Twinkeep: `make` lists what there is.
.DEFAULT_GOAL := help
CARGO ?= cargo

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1|/' | column -t -s '|'

demo: ## Build, run the main job end to end on made-up patients, and serve it (CHECK=1: check itself and stop)
	@CARGO="$(CARGO)" CHECK="$(CHECK)" sh demo/run.sh

demo-attack: ## Attack a running keep in many ways, and show what is noticed, contained, and lost (CHECK=1: smaller, and stop)
	@CARGO="$(CARGO)" CHECK="$(CHECK)" PROFILE="$(or $(PROFILE),release)" sh demo/attack.sh

test: ## Run everything that can fail, checks included
	@CARGO="$(CARGO)" sh .ci/test.sh

check: ## Format, clippy with warnings denied, tidy: before every commit
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) xtask tidy

bench: ## Measure against real peers in the same run, and print the ratios
	@CARGO="$(CARGO)" sh benches/run.sh

fuzz: ## Fuzz every parser of outside bytes, 60 s each (installs cargo-fuzz)
	@CARGO="$(CARGO)" sh fuzz/run.sh

mutants: ## Change the vault's code in small ways, and list what no test notices (SHARD=0/6 for a part; installs cargo-mutants)
	$(CARGO) install --locked --quiet cargo-mutants
	TWINKEEP_DATA="$${TWINKEEP_DATA:-$(CURDIR)/../shared/data}" $(CARGO) mutants --package twinkeep-vault --output target $(if $(SHARD),--shard $(SHARD))

crash: ## Kill an ingest at 200 random points, and look whether every event is there once
	TWINKEEP_CRASH_POINTS=200 TWINKEEP_CRASH_STAYS=400 $(CARGO) test --package twinkeep --test it crash:: -- --nocapture

bench-gate: ## Measure the gate beside nginx on loopback: CPU a request, handshakes, idle connections (PROFILE=dev: as built for tests)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/gate/run.sh

bench-paths: ## Count the paths of a twin that one thread draws in a second
	@$(CARGO) run --quiet --release --locked --package twinkeep-forecast --example paths_per_second

bench-ledger: ## Measure durable entries, waiting, proofs, and verification of the ledger (LEDGER_BENCH=FOLDER on the disk to measure)
	@$(CARGO) run --release --locked --quiet --package twinkeep-ledger --example ledger -- "$${LEDGER_BENCH:-target}" $(ENTRIES)

bench-poison: ## Plant poison into real data, and print what the panel finds and what it saves
	$(CARGO) run --release --locked --quiet --package twinkeep-app --example poison

bench-watch: ## Measure what watching a file costs, beside auditd, and searching audit logs beside ausearch (as root)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/watch/run.sh

bench-posture-s3: ## Scan the buckets of a moto beside Prowler, and print where verdicts differ (2.3 GB of Prowler; PROWLER: an installed one)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/posture-s3/run.sh

bench-windows: ## Forecast what customers of Online Retail do, beside LightGBM in the same run
	@CARGO="$(CARGO)" sh benches/windows/run.sh

bench-drift: ## See drift beside Evidently, NannyML, and River, on the same tables and streams (PROFILE=dev: as built for tests)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/drift/run.sh

bench-access: ## Count alarms about access over 120 made-up days of 240 clients, and what is found of planted attacks (SEED: what is made up anew)
	@$(CARGO) run --profile $(or $(PROFILE),release) --locked --quiet --package twinkeep-watch --example access -- $(if $(SEED),--seed=$(SEED))

bench-influence: ## Plant poison into one feed of six, and print whether leaving it out finds it (PhysioNet 2012)
	@$(CARGO) run --release --locked --quiet --package twinkeep-app --example influence

bench-canaries: ## See how far answers to canaries move between clean versions, and poisoned ones (PhysioNet 2012; PROFILE=dev: as built for tests)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/canaries/run.sh

bench-incident: ## From detection to contained, with load on the gate (PROFILE=dev: as built for tests)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/incident/run.sh

bench-probe: ## Probe a served model over HTTPS, and count questions to an alarm, and false alarms (PhysioNet 2012; PROFILE=dev: as built for tests)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/probe/run.sh

bench-mark: ## Copy a served model by its coarse answers, and tell the copies from other models (PhysioNet 2012; PROFILE=dev: as built for tests)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/mark/run.sh

bench-forecast: ## Forecast PhysioNet 2012 beside LightGBM, on the same stays in the same run (30 minutes)
	@CARGO="$(CARGO)" sh benches/forecast/run.sh

bench-attack: ## Attack a served model with ART and SACRO-ML over HTTPS, beside our own attack (6 GB of PyTorch)
	@CARGO="$(CARGO)" sh benches/attack/run.sh

bench-posture-phi: ## Find data of people in generated files, beside Presidio (400 MB of it; PROFILE=dev: as built for tests)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/posture-phi/run.sh

bench-posture-cfn: ## Judge templates beside Checkov and cfn-guard, and print where verdicts differ (400 MB of them; PROFILE=dev: as built for tests)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/posture-cfn/run.sh

bench-posture-git: ## Verify 10,000 signed commits, beside git verify-commit (PROFILE=dev: as built for tests)
	@CARGO="$(CARGO)" PROFILE="$(PROFILE)" sh benches/posture-git/run.sh

bench-twin: ## Measure a live event into a twin, and one forecast of everything (PhysioNet 2012)
	@$(CARGO) run --release --locked --quiet --package twinkeep-app --example forecast-latency -- "$${TWINKEEP_DATA:-../shared/data}/physionet2012/set-a.tar.gz"

conformance: ## Run the public conformance suite of model signing (OMS_CONFORMANCE: a copy of it, else from GitHub)
	@CARGO="$(CARGO)" sh conformance/model-signing/run.sh

conformance-http2: ## Run h2spec against a running gate (H2SPEC: a built one, else from GitHub)
	@CARGO="$(CARGO)" sh conformance/http2/run.sh

conformance-gate: ## Run testssl.sh, sslyze, and schemathesis against a running gate (TOOLS: which of them)
	@CARGO="$(CARGO)" sh conformance/gate/run.sh

conformance-posture: ## Have compliance-trestle, py-ocsf-models, and the schema of SARIF read our reports
	@CARGO="$(CARGO)" sh conformance/posture/run.sh

docs: ## Regenerate the reference pages from the program
	@CARGO="$(CARGO)" sh docs/generate.sh

deny: ## Check licenses and advisories of every dependency (installs cargo-deny)
	$(CARGO) install --locked --quiet cargo-deny && $(CARGO) deny check

.PHONY: help demo test check conformance conformance-gate conformance-http2 conformance-posture bench bench-attack bench-drift bench-gate bench-ledger bench-poison bench-forecast bench-paths bench-posture-s3 bench-twin bench-watch bench-windows crash fuzz mutants docs deny bench-incident demo-attack bench-probe bench-posture-cfn bench-posture-git bench-posture-phi bench-access bench-influence bench-canaries bench-mark
