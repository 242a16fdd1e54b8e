# shellcheck shell=bash disable=SC2154 # the variables come from firewall.nix
# Asks nft about the rules before they are in force, and sshd for its ports. Variables: `rules` (the file), `is_open` (TCP
# ports), `may_close_ssh`.
refuse() { # CAUSE HINT
  printf '%s\nhint: %s\n' "$1" "$2" >&2
  exit 1
}

if command -v nft >/dev/null; then
  errors=$(nft --check --file "$rules" 2>&1) ||
    refuse "nft does not take these rules: $errors" 'correct networking.firewall'
fi

ssh_ports() { # where one gets in now: what sshd listens on, what it is configured for, how this command came in
  ss -Hltnp 2>/dev/null | grep '"sshd"' | awk '{ sub(/.*:/, "", $4); print $4 }'
  sshd -T 2>/dev/null | sed -n 's/^port //p'
  if systemctl --quiet is-active ssh.socket 2>/dev/null; then
    systemctl show --property=Listen --value ssh.socket | sed -n 's/.*:\([0-9]*\) .*/\1/p'
  fi
  set -- "${SSH_CONNECTION-}"
  # shellcheck disable=SC2086 # four words
  set -- $1
  printf '%s\n' "${4-}"
}
if [ -z "$may_close_ssh" ]; then
  for port in $(ssh_ports | sort -u); do
    case ", $is_open," in
      *", $port,"*) ;;
      *) refuse "sshd listens on port $port, which these rules close" \
        'add it to networking.firewall.allowedTCPPorts, or set services.openssh.openFirewall = false' ;;
    esac
  done
fi
