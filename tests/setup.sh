#!/usr/bin/env bash
# Installs what a make target needs and this machine lacks, and nothing else: tests/setup.sh ui|build|test|lint|bench
set -euo pipefail

# Debian keeps servers where a user's PATH does not look.
PATH="$PATH:/usr/sbin:/sbin:${CARGO_HOME:-$HOME/.cargo}/bin"
packages=()

die() {
    printf 'setup: %s\n' "$*" >&2
    exit 1
}

have() {
    local name
    for name in "$@"; do
        command -v "$name" >/dev/null 2>&1 || return 1
    done
}

# Packages $2… are wanted unless command $1 is there.
want() {
    have "$1" || packages+=("${@:2}")
}

have_postgres() {
    local program directory
    for program in "$@"; do
        have "$program" && continue
        for directory in /usr/lib/postgresql/*/bin; do
            [ -x "$directory/$program" ] && continue 2
        done
        return 1
    done
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

enabled_services() {
    ls /etc/systemd/system/multi-user.target.wants 2>/dev/null || true
}

# Run as root. Debian starts what it installs, creates a database cluster, and enables both at boot; this machine
# may have other plans for those ports, and we only want the programs.
install_packages() {
    local before unit output
    before=$(enabled_services)
    ours=(/etc/postgresql-common/createcluster.d/tollgate.conf)
    mkdir -p "$(dirname "${ours[0]}")"
    echo 'create_main_cluster = false' >"${ours[0]}"
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        ours+=(/usr/sbin/policy-rc.d)
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod 755 /usr/sbin/policy-rc.d
    fi
    trap 'rm -f "${ours[@]}"' EXIT
    export DEBIAN_FRONTEND=noninteractive
    # What packages say while they install matters only when they fail.
    output=$(apt-get update -qq 2>&1 && apt-get install -y -qq --no-install-recommends "$@" 2>&1 </dev/null) || {
        printf '%s\n' "$output" >&2
        return 1
    }
    for unit in $(comm -13 <(printf '%s\n' "$before") <(enabled_services)); do
        case $unit in
        nginx.* | php*-fpm.* | postgresql.* | redis*) systemctl disable --quiet "$unit" 2>/dev/null || true ;;
        esac
    done
}

apt() {
    [ "${#packages[@]}" -gt 0 ] || return 0
    have apt-get || die "please install the equivalents of these Debian packages, then try again: ${packages[*]}"
    [ "$(id -u)" -eq 0 ] || have sudo || die "as root, please run: apt-get install ${packages[*]}"
    echo "setup: installing ${packages[*]}" >&2
    as_root bash -c "$(declare -f install_packages enabled_services); set -euo pipefail; install_packages \"\$@\"" \
        setup "${packages[@]}" || die "apt-get could not install: ${packages[*]}"
    packages=()
}

# A tool from crates.io; built in the shared target directory, so that a broken-off build goes on where it stopped.
cargo_tool() {
    have "$1" && return
    echo "setup: building $1 (once per machine, a few minutes)" >&2
    cargo install --locked --quiet "$1" || die "cargo could not install $1"
}

build() {
    have cargo || die "Rust is missing; see https://rustup.rs"
    # aws-lc, SQLite and Luau are compiled from source, so headers and the C++ library must be there too.
    echo '#include <string>' | c++ -x c++ -c -o /dev/null - 2>/dev/null && have cc || packages+=(g++)
}

# The admin UI's tools want this Node.js or a newer one.
NODE_LEAST="20.19.0"

node_is_new_enough() {
    local version
    version=$(node --version 2>/dev/null) || return 1
    [ "$(printf '%s\n' "$NODE_LEAST" "${version#v}" | sort -V | head -n 1)" = "$NODE_LEAST" ]
}

ui() {
    want node nodejs
    want npm npm
    apt
    node_is_new_enough || die "the admin UI needs Node.js $NODE_LEAST or newer, this one is $(node --version); see https://nodejs.org"
}

case ${1:-} in
ui)
    ui
    ;;
build)
    build
    apt
    ;;
test)
    build
    have_postgres initdb postgres || packages+=(postgresql)
    want redis-server redis-server
    # PostgreSQL refuses to run as root, so root starts it as somebody else.
    want setpriv util-linux
    # The walk of docs/rules.md calls the admin REST from a shell.
    want curl curl
    want jq jq
    # Schemathesis asks the REST what its description allows.
    want python3 python3
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3-venv)
    # A second opinion on handshakes and on PKCS12 files.
    want openssl openssl
    # The walks through the admin UI.
    want chromium chromium
    # Clocks of nodes that are wrong.
    compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null || packages+=(libfaketime)
    apt
    cargo_tool cargo-nextest
    ;;
lint)
    build
    want git git ca-certificates
    want jq jq
    apt
    cargo_tool cargo-deny
    ;;
bench)
    build
    have_postgres initdb postgres pgbench psql || packages+=(postgresql)
    want setpriv util-linux
    want python3 python3
    want wrk wrk
    want redis-server redis-server
    want redis-benchmark redis-tools
    want ab apache2-utils
    want openssl openssl
    want curl curl
    want haproxy haproxy
    want nginx nginx
    [ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] || packages+=(libnginx-mod-http-lua)
    compgen -c php-fpm >/dev/null || packages+=(php-fpm)
    compgen -G '/usr/lib/php/*/pdo_pgsql.so' >/dev/null || packages+=(php-pgsql)
    apt
    ;;
*)
    die "usage: tests/setup.sh ui|build|test|lint|bench"
    ;;
esac
