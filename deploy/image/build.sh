#!/usr/bin/env bash
# build.sh PROGRAM ARCHIVE: the last stage of deploy/Dockerfile around a program that is linked with
# everything it needs, as an OCI archive (`docker load`, `podman load`, `skopeo copy` take it).
# The same program and the same certificates give the same digest. Says digest and size.

set -Eeuo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
(($# == 2)) || {
  echo 'usage: build.sh PROGRAM ARCHIVE' >&2
  exit 1
}
program=$1 archive=$2
certificates=/etc/ssl/certs/ca-certificates.crt

[[ -x $program ]] || {
  echo "$program is no program: run \`make static\` first" >&2
  exit 1
}
[[ -r $certificates ]] || {
  echo "$certificates is missing; as root: apt-get install ca-certificates" >&2
  exit 1
}

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
install -D "$program" "$folder/program/grantline"
install -D "$certificates" "$folder/program/etc/ssl/certs/ca-certificates.crt"

# In a store of its own, with a driver and an isolation that need nothing of the kernel.
export BUILDAH_ISOLATION=chroot
buildah=(buildah --root "$folder/store" --runroot "$folder/run" --storage-driver vfs)
{
  "${buildah[@]}" build --build-context "program=$folder/program" --target runtime --timestamp 0 \
    --file "$root/deploy/Dockerfile" --tag grantline "$folder/program" &&
    rm -f "$archive" &&
    "${buildah[@]}" push --quiet --digestfile "$folder/digest" \
      grantline "oci-archive:$archive:grantline:latest"
} >"$folder/log" 2>&1 || {
  cat "$folder/log" >&2
  echo 'buildah could not make the image' >&2
  exit 1
}
printf '%s, %s, %s bytes to pull\n' "$archive" "$(<"$folder/digest")" "$(stat --format %s "$archive")"
