#!/bin/sh
# A certificate authority of one's own, as modules call `minica` for the time before the real certificate is there. No
# distribution has that program, and its `openssl` does the same.
set -eu
domains='' authority_key='' authority=''
while [ $# -gt 0 ]; do
  case $1 in
  --ca-key) authority_key=$2 ;;
  --ca-cert) authority=$2 ;;
  --domains) domains=$2 ;;
  *)
    echo "minica: no such option: $1" >&2
    exit 2
    ;;
  esac
  shift 2
done
curve='-newkey ec -pkeyopt ec_paramgen_curve:P-384 -nodes'

if ! [ -e "$authority_key" ]; then
  # shellcheck disable=SC2086 # words
  openssl req -x509 $curve -days 36500 -subj '/CN=minica root ca' -keyout "$authority_key" -out "$authority"
fi

first=${domains%%,*}
folder=$(printf %s "$first" | tr '*' _)
names=DNS:$(printf %s "$domains" | sed 's/,/,DNS:/g')
mkdir -p "$folder"
# shellcheck disable=SC2086 # words
openssl req $curve -subj "/CN=$first" -addext "subjectAltName=$names" -keyout "$folder/key.pem" -out "$folder/request.pem"
openssl x509 -req -in "$folder/request.pem" -CA "$authority" -CAkey "$authority_key" -days 760 -copy_extensions copy \
  -out "$folder/cert.pem"
rm "$folder/request.pem"
