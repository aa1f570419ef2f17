#!/usr/bin/env bash
# Makes venv/, then puts the two router packages in without what they ask for: their routers need numpy, scikit-learn and torch alone.
set -euo pipefail
cd "$(dirname "$0")"
../setup.sh decisions
"${VENV:-venv}/bin/pip" install --quiet --no-deps llmrouter-lib==0.4.0 routellm==0.2.0
