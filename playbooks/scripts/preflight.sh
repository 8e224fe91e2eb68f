# shellcheck shell=sh
# Ends with 0 where the container can be launched, or is there: the runtime answers, nobody else's container has the name, and there is room for an
# image.
#
# $1  name of the container
# $2  gigabytes that have to be free where the runtime keeps images
set -u

runtime=''
for runtime in docker podman none; do
  if command -v "$runtime" >/dev/null; then break; fi
done
if [ "$runtime" = none ]; then
  echo "neither docker nor podman is installed" >&2
  exit 1
fi
# Plain first, as whoever launches the container asks.
if said=$("$runtime" ps 2>&1); then
  sudo=''
elif sudo -n "$runtime" ps >/dev/null 2>&1; then
  sudo='sudo -n'
else
  echo "$runtime does not answer: $said" >&2
  exit 1
fi

if owner=$($sudo "$runtime" container inspect --format '{{index .Config.Labels "cvsplay.owner"}}' "$1" 2>/dev/null) && [ "$owner" != cvsplay ]; then
  echo "somebody else's container has the name $1" >&2
  exit 1
fi

case $runtime in
docker) folder=$($sudo docker info --format '{{.DockerRootDir}}') || exit ;;
podman) folder=$($sudo podman info --format '{{.Store.GraphRoot}}') || exit ;;
esac
until [ -d "$folder" ]; do folder=$(dirname "$folder"); done # it is made with the first image
free=$($sudo df -Pk "$folder" | awk 'NR == 2 { print int($4 / 1048576) }')
if [ "${free:-0}" -lt "$2" ]; then
  echo "$folder has ${free:-unknown} GB free, and $2 are wanted" >&2
  exit 1
fi
