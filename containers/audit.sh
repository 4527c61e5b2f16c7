#!/usr/bin/env bash
# What is in the images, and whether it is known to be vulnerable: containers/audit.sh [FOLDER [ACCEPTED]]
#
# Writes an SBOM of each image (CycloneDX 1.5) to FOLDER and asks OSV about every package of the lock. A finding fails,
# unless ACCEPTED says why it does no harm. So does a service that cannot be reached: what was not checked has not
# passed. OSV_URL names another service that speaks its protocol.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${1:-.plumbline/audit} accepted=${2:-containers/accepted.txt}
uv=$(command -v uv || echo .plumbline/uv/bin/uv)
lock=("$uv" export --quiet --frozen --no-default-groups --no-emit-project)
mkdir -p "$folder"

for image in components trainer serving; do
  "${lock[@]}" --extra "$image" --format cyclonedx1.5 --preview-features sbom-export \
    --output-file "$folder/$image.cdx.json" >/dev/null
done

ignored=() today=$(date --utc +%F)
while read -r until id _; do
  if [[ $until =~ ^[0-9]{4}- && ! $until < $today ]]; then ignored+=(--ignore-vuln "$id"); fi
done <"$accepted"

"${lock[@]}" --all-extras --output-file "$folder/lock.txt" >/dev/null
if ! .venv/bin/pip-audit --strict --disable-pip --requirement "$folder/lock.txt" --progress-spinner off \
  --vulnerability-service osv --osv-url "${OSV_URL:-https://api.osv.dev/v1/query}" "${ignored[@]}"; then
  echo "The lock has a known vulnerability, or could not be checked. What is judged harmless goes into $accepted" >&2
  exit 1
fi
