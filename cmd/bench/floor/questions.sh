# What the standard play asks, one paragraph for each of its steps. $B is its folder.

stat -c '%F %a %U %G' -- "$B/folder-1"

stat -c '%F %a %U %G' -- "$B/folder-2"

stat -c '%F %a %U %G' -- "$B/folder-3"

stat -c '%F %a %U %G' -- "$B/folder-4"

stat -c '%F %a %U %G' -- "$B/folder-5"

stat -c '%F %a %U %G %s' -- "$B/file-1.conf"
sha256sum -- "$B/file-1.conf"

stat -c '%F %a %U %G %s' -- "$B/file-2.conf"
sha256sum -- "$B/file-2.conf"

stat -c '%F %a %U %G %s' -- "$B/file-3.conf"
sha256sum -- "$B/file-3.conf"

stat -c '%F %a %U %G %s' -- "$B/file-4.conf"
sha256sum -- "$B/file-4.conf"

stat -c '%F %a %U %G %s' -- "$B/file-5.conf"
sha256sum -- "$B/file-5.conf"

stat -c '%F %a %U %G %s' -- "$B/line-1.conf"
base64 <"$B/line-1.conf"

stat -c '%F %a %U %G %s' -- "$B/line-2.conf"
base64 <"$B/line-2.conf"

stat -c '%F %a %U %G %s' -- "$B/line-3.conf"
base64 <"$B/line-3.conf"

stat -c '%F %a %U %G %s' -- "$B/line-4.conf"
base64 <"$B/line-4.conf"

stat -c '%F %a %U %G %s' -- "$B/line-5.conf"
base64 <"$B/line-5.conf"

[ -e "$B/command-1" ] && echo there

[ -e "$B/command-2" ] && echo there

[ -e "$B/command-3" ] && echo there

/bin/sh -c 'grep -q done "$1"' guard "$B/command-4" && echo holds

/bin/sh -c 'grep -q done "$1"' guard "$B/command-5" && echo holds
