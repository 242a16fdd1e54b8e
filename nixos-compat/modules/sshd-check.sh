# shellcheck shell=bash disable=SC2154 # the variables come from openssh.nix
# Asks the distribution's sshd about our settings before they are placed: whether it takes them, whether they count,
# and whether somebody can still log in. Variables: `ours` (the file), `place` (where it goes), `ports_are_set`,
# `may_lock_out`, `key_users` and `password_users` (who gets keys and passwords by this configuration).
PATH=$PATH:/usr/sbin:/sbin
main=/etc/ssh/sshd_config
folder=${place%/*}
sshd=$(command -v sshd) || exit 0

refuse() { # CAUSE HINT
  printf '%s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

work=$(mktemp -d)
privileges=
# shellcheck disable=SC2329 # the trap calls it
clean() {
  rm -rf -- "$work"
  [ -z "$privileges" ] || rmdir -- "$privileges"
}
trap clean EXIT

# sshd that does not run lacks its folder, and one that never ran its keys. Neither is about the settings.
privileges=$("$sshd" -T 2>&1 | tr -d '\r' | sed -n 's/^Missing privilege separation directory: //p')
[ -z "$privileges" ] || mkdir -m 0755 -- "$privileges"
host_key=()
if ! compgen -G '/etc/ssh/ssh_host_*_key' >/dev/null; then
  ssh-keygen -q -t ed25519 -N '' -f "$work/key"
  host_key=(-h "$work/key")
fi

includes='^[[:space:]]*include[[:space:]]+"?'${folder}'/\*\.conf"?[[:space:]]*$'
grep -Eiq "$includes" "$main" || refuse "$main does not include $folder/*.conf" \
  "add the line \`Include $folder/*.conf\` at its top"

# The files of the folder as they will be, in sshd's order.
for file in "$folder"/*.conf "$place"; do
  [ -e "$file" ] || [ "$file" = "$place" ] || continue
  printf '%s\n' "$file"
done | LC_ALL=C sort -u | while read -r file; do
  [ "$file" != "$place" ] || file=$ours
  printf 'Include "%s"\n' "$file"
done >"$work/folder"
shopt -s nocasematch
while IFS= read -r line || [ -n "$line" ]; do
  if [[ $line =~ $includes ]]; then
    cat "$work/folder"
  else
    printf '%s\n' "$line"
  fi
done <"$main" >"$work/config"
shopt -u nocasematch

effective() { # FILE RESULT: what sshd makes of a file
  "$sshd" -T "${host_key[@]}" -f "$1" >"$2" 2>"$work/errors"
}
effective "$work/config" "$work/after" ||
  refuse "sshd does not take these settings: $(tr -d '\r' <"$work/errors")" 'correct services.openssh'
# A host whose sshd is broken now has nothing to lose.
effective "$main" "$work/before" || exit 0
effective "$ours" "$work/alone" || exit 0

of() { # RESULT KEY: the values of a key
  sed -n "s/^$2 //p" "$work/$1"
}

# The first value counts, so that another file may win. These keys add up.
adding='^(acceptenv|allow(groups|users)|deny(groups|users)|hostkey|include|listenaddress|port|setenv|subsystem)$'
sed '/^[[:space:]]*[Mm][Aa][Tt][Cc][Hh][[:space:]]/,$d' "$ours" | awk 'NF { print tolower($1) }' |
  grep -Ev "^#|$adding" | sort -u >"$work/keys" || true
while read -r key; do
  [ "$(of after "$key")" = "$(of alone "$key")" ] || refuse \
    "$(grep -Eil "^[[:space:]]*${key}[[:space:]=]" "$folder"/*.conf "$main" | grep -vxF "$place" |
      paste -sd ' ') sets $key before services.openssh does" 'remove it there: the first value counts'
done <"$work/keys"

files_of() { # RESULT: where keys are looked for
  of "$1" authorizedkeysfile | tr ' ' '\n' | sed 's|^%h/||'
}
lost=$(files_of before | grep -vxF -e none -f <(files_of after) | paste -sd ' ')
[ -z "$lost" ] || refuse "$main has sshd read keys from $lost, which these settings end" \
  'add them to services.openssh.authorizedKeysFiles'

if [ -n "$ports_are_set" ] && systemctl --quiet is-active ssh.socket 2>/dev/null; then
  refuse 'services.openssh sets ports or addresses, but the host listens by ssh.socket' \
    'run: systemctl disable --now ssh.socket && systemctl enable --now ssh.service'
fi
for port in $(of after port | grep -vxF -f <(of before port)); do
  taken=$(ss -Hltnp "sport = :$port" 2>/dev/null | grep -v '"sshd"')
  [ -z "$taken" ] || refuse "port $port is taken: $taken" 'choose another one in services.openssh.ports'
done

matches() { # WORD LIST: whether the word, or a pattern of sshd's, is in the list
  local word
  for word in $2; do
    case ${word%%@*} in
      *[*?!]* | "$1") return 0 ;;
    esac
  done
  return 1
}
permits() { # RESULT USER: whether sshd lets the user in at all
  local allowed denied group groups
  [ "$2" != root ] || [ "$(of "$1" permitrootlogin)" != no ] || return 1
  denied=$(of "$1" denyusers)
  ! matches "$2" "$denied" || return 1
  allowed=$(of "$1" allowusers)
  [ -z "$allowed" ] || matches "$2" "$allowed" || return 1
  groups=$(of "$1" allowgroups)
  [ -n "$groups" ] || return 0
  for group in $(id -nG "$2" 2>/dev/null); do
    ! matches "$group" "$groups" || return 0
  done
  return 1
}
has_keys() { # RESULT USER HOME
  local file
  for file in $(of "$1" authorizedkeysfile); do
    file=${file//%h/$3}
    file=${file//%u/$2}
    case $file in /*) ;; *) file=$3/$file ;; esac
    ! grep -Eqs '^[^#]*[^#[:space:]]' "$file" || return 0
  done
  return 1
}
takes() { # RESULT METHOD: whether a way of logging in is open
  local methods
  methods=$(of "$1" authenticationmethods)
  [ "$(of "$1" "$2authentication")" = yes ] && case $methods in
    any | *"$2"*) ;;
    *) [ "$2" = kbdinteractive ] && [[ $methods = *keyboard-interactive* ]] ;;
  esac
}
can_log_in() { # RESULT [KEY_USERS PASSWORD_USERS]: whether anybody can
  local name password uid home shell user
  # Ways that can't be judged from here.
  [ "$(of "$1" authorizedkeyscommand)" = none ] && [ "$(of "$1" trustedusercakeys)" = none ] || return 0
  ! takes "$1" gssapi && ! takes "$1" hostbased || return 0
  ! grep -Eqs '^passwd:.*(sss|ldap|winbind)' /etc/nsswitch.conf || return 0
  local by_password=
  if takes "$1" password || takes "$1" kbdinteractive; then
    by_password=yes
  fi
  for user in ${2-}; do
    ! takes "$1" pubkey || ! permits "$1" "$user" || return 0
  done
  for user in ${3-}; do
    [ -z "$by_password" ] || ! permits "$1" "$user" || return 0
  done
  while IFS=: read -r name _ uid _ _ home shell; do
    case $shell in */nologin | */false | '') continue ;; esac
    permits "$1" "$name" || continue
    ! takes "$1" pubkey || ! has_keys "$1" "$name" "$home" || return 0
    [ -n "$by_password" ] || continue
    [ "$uid" != 0 ] || [ "$(of "$1" permitrootlogin)" = yes ] || continue
    password=$(getent shadow "$name" | cut -d: -f2)
    case $password in '' | '!'* | '*'*) ;; *) return 0 ;; esac
  done < <(getent passwd)
  return 1
}
if [ -z "$may_lock_out" ] && can_log_in before && ! can_log_in after "$key_users" "$password_users"; then
  refuse 'with these settings of sshd nobody could log in any more' \
    'keep a way open, for example users.users.<name>.openssh.authorizedKeys.keys; or set users.allowNoPasswordLogin = true'
fi
