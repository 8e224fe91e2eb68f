sub/c.sh
