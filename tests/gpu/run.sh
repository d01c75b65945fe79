#!/bin/sh
# The program built with CUDA, and perhaps its test binary, in; what a machine with an NVIDIA card makes of them out, as
# logs and lines of JSON in a folder. Takes six minutes at most, and no network: weights are made up on the spot.
#
#   tests/gpu/run.sh PRECIS OUT [TESTS]      the folder OUT is made; the exit code counts what failed
set -u
precis=$1 out=$2 tests=${3:-}
mkdir -p "$out"
failed=0

# Where the toolkit lies in Python packages, the loader is told.
if ! "$precis" --version > /dev/null 2>&1; then
  for name in libcublas.so.13 libcudart.so.13 libcurand.so.10 libnvrtc.so.13 libcuda.so.1; do
    found=$(find / -name "$name" -not -path '/proc/*' 2> /dev/null | head -1)
    [ -n "$found" ] && LD_LIBRARY_PATH=${LD_LIBRARY_PATH:-}:$(dirname "$found")
  done
  export LD_LIBRARY_PATH
fi

# step SECONDS NAME COMMAND..: its output goes to NAME.log, of which the end is shown where it fails.
step() {
  seconds=$1 name=$2
  shift 2
  started=$(date +%s)
  if timeout "$seconds" "$@" > "$out/$name.log" 2>&1; then result=ok; else result="FAILED ($?)"; fi
  echo "== $name: $result, $(($(date +%s) - started)) s"
  [ "$result" = ok ] || { failed=$((failed + 1)); tail -n 25 "$out/$name.log"; }
}
json() { grep -h '^{' "$out/$1.log" | tail -n 1 | tee -a "$out/figures.jsonl"; }

step 20 machine nvidia-smi
step 20 doctor "$precis" doctor --offline
grep -h '^device' "$out/doctor.log"

# Right before fast: the tests of the model on the card, against the CPU; then a whole text.
[ -z "$tests" ] || PRECIS_TEST_CUDA=0 step 90 tests "$tests" model:: --test-threads 4
[ ! -e "$out/tests.log" ] || grep -h '^test result' "$out/tests.log"
for _ in $(seq 60); do
  echo "The council of Alder Bay voted 14 to 3 to rebuild the ferry terminal that last winter's storms had damaged."
done > "$out/text.txt"
step 60 fidelity "$precis" bench --random tiny --fidelity "$out/text.txt" --device cuda
cat "$out/fidelity.log"
step 60 texts "$precis" bench --random tiny --group 8 --articles 8 --against-cpu --device cuda
json texts

for shape in qwen2.5-0.5b qwen2.5-1.5b qwen3-0.6b; do
  step 80 "$shape" "$precis" bench --random "$shape" --group 64 --device cuda
  json "$shape"
done

# What cannot be had is said in a line.
if "$precis" bench --random tiny --group 1 --articles 1 --device cuda:7 > "$out/absent.log" 2>&1; then
  echo "== a card that is not there was taken"
  failed=$((failed + 1))
fi
cat "$out/absent.log"
exit "$failed"
