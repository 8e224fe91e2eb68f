# Prints which of the packages NAME… are installed, and their versions: "NAME VERSION" on a line each.
for name in "$@"; do
  installed=$(dpkg-query --show --showformat='${Status} ${Version}' "$name" 2>/dev/null) || continue
  case $installed in
    'install ok installed '*) echo "$name ${installed##* }" ;;
  esac
done
