#!/usr/bin/env bash
# One image in Artifact Registry: TARGET=trainer IMAGE=REPOSITORY:TAG containers/build.sh prints REPOSITORY@sha256:...
#
# The tag names the code, so an image that has it already is the one that is wanted, and nothing is built.
# TRAINER_EXTRA=trainer-gpu puts NVIDIA's libraries into the trainer; the tag must say so, or it would name two images.
# cloudbuild.yaml calls this file, and `make images` sends it to Cloud Build as the script of a step.
set -euo pipefail

repository=${IMAGE%:*}
cache=$repository:cache
# An image with attestations is an index, which not every reader of images takes.
export DOCKER_BUILDKIT=1 BUILDX_NO_DEFAULT_ATTESTATIONS=1

if ! docker pull --quiet "$IMAGE" >&2; then
  docker build . --file containers/Dockerfile --target "$TARGET" \
    --build-arg "TRAINER_EXTRA=${TRAINER_EXTRA:-trainer}" \
    --cache-from "$cache" --build-arg BUILDKIT_INLINE_CACHE=1 \
    --tag "$IMAGE" --tag "$cache" >&2
  docker push "$IMAGE" >&2
  docker push "$cache" >&2
fi

# Without a match grep fails, and so does this script: an image without a digest is never submitted.
docker inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$IMAGE" \
  | grep --extended-regexp --max-count 1 "^$repository@sha256:[0-9a-f]{64}$"
