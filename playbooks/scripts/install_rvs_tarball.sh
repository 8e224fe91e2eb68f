# shellcheck shell=sh
# Installs RVS from a tarball into /opt/rocm/extras-7.
#
# $1  URL of the tarball, or of a page that lists tarballs: the newest amdrocm7-rvs-*.tar.gz is taken
# $2  SHA-256 that the tarball must have
set -eu
exec 2>&1 # one stream: what went wrong stands behind what led to it
url=$1 want=$2
into=/opt/rocm/extras-7

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM

fetch() { # URL FILE
  if command -v curl >/dev/null; then
    curl -fsSL -o "$2" "$1"
  else
    wget -nv -O "$2" "$1"
  fi
}

case $url in
*.tar.gz) ;;
*)
  url=${url%/}/
  fetch "$url" "$work/page"
  newest=$(grep -o 'amdrocm7-rvs-[^"<>/ ]*\.tar\.gz' "$work/page" | sort -V | tail -n 1)
  if [ -z "$newest" ]; then
    echo "$url lists no amdrocm7-rvs-*.tar.gz"
    exit 1
  fi
  url=$url$newest
  ;;
esac

fetch "$url" "$work/rvs.tar.gz"
have=$(sha256sum "$work/rvs.tar.gz" | cut -d ' ' -f 1)
if [ "$have" != "$want" ]; then
  echo "$url has the checksum $have, and not $want"
  exit 1
fi
mkdir -p "$into"
tar -xzf "$work/rvs.tar.gz" -C "$into"
echo "$url"
