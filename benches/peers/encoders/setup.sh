#!/usr/bin/env bash
# Makes venv/ beside this script, with the pinned versions of requirements.txt.
set -euo pipefail
cd "$(dirname "$0")"
"${PYTHON:-python3}" -m venv venv
venv/bin/pip install --quiet --requirement requirements.txt
