#!/bin/sh
# Builds pause for one architecture: build.sh amd64|arm64 OUTPUT. Debian 12's gcc 12 and binutils 2.40 give the committed bytes.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
case "$1" in
  amd64) machine=x86_64-linux-gnu ;;
  arm64) machine=aarch64-linux-gnu ;;
  *) echo "build.sh: unknown architecture $1" >&2; exit 2 ;;
esac
flags="-Os -std=c11 -Wall -Wextra -Werror -ffreestanding -fno-stack-protector -fno-asynchronous-unwind-tables -fno-ident -fno-pie -fcf-protection=none"
[ "$1" = arm64 ] && flags=$(echo "$flags" | sed 's/-fcf-protection=none/-mbranch-protection=none/')
cd "$here"
# shellcheck disable=SC2086
"$machine-gcc" $flags -nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,-n -s -o "$2" pause.c
