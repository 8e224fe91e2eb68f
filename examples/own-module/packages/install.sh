export DEBIAN_FRONTEND=noninteractive
apt-get update -q
apt-get install -q -y "$@"
