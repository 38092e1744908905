#!/usr/bin/env bash
# What `pack.py` carries to a GPU. Results go to $OUT as JSON, logs beside them; a run that fails leaves its log and the
# others go on. SECONDS_EACH bounds one run; ONLY="check dino" picks some.
set -u
cd "$(dirname "$0")/../.."
OUT=${OUT:-results}
PYTHON=${PYTHON:-python3}
ONLY=${ONLY:-check dino large mae clip}
mkdir -p "$OUT"
export PYTHONPATH=$PWD PYTHONUNBUFFERED=1
failed=0

measure() { # name, command...
    local name=$1
    shift
    echo "== $name"
    if ! timeout "${SECONDS_EACH:-240}" "$PYTHON" "$@" >"$OUT/$name.log" 2>&1; then
        echo "$name failed; the end of $OUT/$name.log:"
        tail -5 "$OUT/$name.log"
        failed=1
    fi
    tail -1 "$OUT/$name.log"
}

step() { # name, arguments: without and with compilation
    local name=$1
    shift
    measure "$name" benchmarks/train/run.py --out "$OUT" "$@"
    measure "$name-compiled" benchmarks/train/run.py --out "$OUT" --compile "$@"
}

nvidia-smi >"$OUT/nvidia-smi.txt" 2>&1
for part in $ONLY; do
    case $part in
    check) measure check benchmarks/gpu/check.py --out "$OUT" ;;
    dino) step dino --objective dino ${ARGUMENTS:-} ;;
    large) step dino-1b --objective dino --size 1B --batch 16 ${ARGUMENTS:-} ;;
    mae) step mae --objective mae ${ARGUMENTS:-} ;;
    clip) step clip --objective clip ${ARGUMENTS:-} ;;
    *) echo "ONLY: $part is none of check dino large mae clip" && failed=1 ;;
    esac
done
exit $failed
