export DEBIAN_FRONTEND=noninteractive
apt-get purge -q -y "$@"
