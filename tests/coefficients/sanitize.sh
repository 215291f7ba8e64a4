#!/usr/bin/env bash
# Runs the tests of the C extension under AddressSanitizer and UndefinedBehaviorSanitizer: PYTHON [pytest arguments].
# Without capturing, for a sanitizer ends the process after its report.
set -euo pipefail
cd "$(dirname "$0")/../.."
python=${1:-.venv/bin/python}
compiler=${CC:-gcc}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# The package as it is, but for the extension, which Python finds in the first folder of the package's path.
mkdir -p "$folder/qsearch/coefficients"
include=$("$python" -c 'import sysconfig; print(sysconfig.get_paths()["include"])')
"$compiler" -O1 -g -std=c11 -Wall -Wextra -Werror -fno-omit-frame-pointer -fsanitize=address,undefined \
    -fno-sanitize-recover=all -shared -fPIC -I"$include" -o "$folder/_kernel.abi3.so" qsearch/coefficients/*.c

cat >"$folder/conftest_sanitized.py" <<'PYTHON'
import importlib.util
import os
import sys

specification = importlib.util.spec_from_file_location("qsearch.coefficients._kernel", os.environ["QSEARCH_SANITIZED"])
module = importlib.util.module_from_spec(specification)
specification.loader.exec_module(module)
sys.modules["qsearch.coefficients._kernel"] = module
import qsearch.coefficients

qsearch.coefficients._kernel = module
PYTHON

export QSEARCH_SANITIZED="$folder/_kernel.abi3.so" PYTHONPATH="$folder:$PWD${PYTHONPATH:+:$PYTHONPATH}"
export ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 PYTHONMALLOC=malloc
LD_PRELOAD="$("$compiler" -print-file-name=libasan.so) $("$compiler" -print-file-name=libstdc++.so)" \
    "$python" -m pytest -q -s -n 0 -p conftest_sanitized -p no:cacheprovider \
    tests/coefficients/test_arrays.py tests/coefficients/test_statistics.py tests/coefficients/test_columns.py
