#!/usr/bin/env bash
# setup.sh FOLDER makes FOLDER/venv, with the pinned versions of FOLDER/requirements.txt. PYTHON names another Python, VENV another place.
set -euo pipefail
cd "$(dirname "$0")/$1"
"${PYTHON:-python3}" -m venv "${VENV:-venv}"
"${VENV:-venv}/bin/pip" install --quiet --requirement requirements.txt
