b.sh
