#!/bin/sh
# Installs the peers that the tests run beside, as far as they are missing: programs from Debian,
# and Python packages into target/peers. The tests start and stop them themselves, on loopback.
set -eu
cd "$(dirname "$0")/.."

# Twice more, where a mirror or a registry does not answer.
again() { "$@" || { sleep 10 && "$@"; } || { sleep 60 && "$@"; }; }

# need PROGRAM PACKAGE: a program may lie outside of PATH, as Debian's servers do.
missing=
need() {
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need openssl openssl         # what a sealed feed must not accept
need curl curl               # calls the demo's server
need softhsm2-util softhsm2  # a PKCS#11 token
need ssh openssh-client      # the way through a bastion,
need sshd openssh-server     # and the bastion
need gpg gnupg               # signs commits,
need git git                 # which are verified
need nats-server nats-server # a message stream
need psql postgresql-client  # a database to read
need node nodejs             # what checks a receipt in a browser
need nft nftables            # drops a port
need ip iproute2             # in a network of its own
ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || need initdb postgresql
if [ -n "$missing" ]; then
    echo "installing$missing"
    again apt-get update -qq
    # shellcheck disable=SC2086
    again env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

# python COMMAND-OR-MODULE PACKAGE…: into a folder of our own.
venv=target/peers
python() {
    probe=$1
    shift
    [ -x "$venv/bin/$probe" ] && return
    command -v "$probe" >/dev/null 2>&1 && return
    echo "installing $*"
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    again "$venv/bin/pip" install --quiet --disable-pip-version-check "$@"
}
python moto_server 'moto[kms,s3]' flask flask-cors # AWS KMS and S3
python model_signing model-signing==1.1.1 pyOpenSSL # signs models, and verifies ours
python hypercorn fastapi uvicorn websockets hypercorn # model servers that stand behind the gate
# The public schema of CycloneDX, and what validates against it.
"$venv/bin/python3" -c 'import cyclonedx.validation.json, jsonschema' 2>/dev/null || {
    echo "installing cyclonedx-python-lib"
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    again "$venv/bin/pip" install --quiet --disable-pip-version-check 'cyclonedx-python-lib[json-validation]'
}
# A client of KServe's protocol, the resources of FHIR, and a reader of metrics.
"$venv/bin/python3" -c 'import tritonclient.http, fhir.resources.R4B.bundle, prometheus_client' 2>/dev/null || {
    echo "installing tritonclient, fhir.resources, and prometheus-client"
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    again "$venv/bin/pip" install --quiet --disable-pip-version-check 'tritonclient[http]' fhir.resources prometheus-client
}
# An OpenID provider, which issues access tokens.
[ -d "$venv/idp/node_modules/oidc-provider" ] || {
    echo "installing oidc-provider"
    command -v npm >/dev/null 2>&1 || again env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends npm >/dev/null
    again npm install --silent --no-audit --no-fund --prefix "$venv/idp" oidc-provider@9.13.3
}
# A rate limiter to compare with; unpacked, because installing it would start it.
[ -x "$venv/nginx/usr/sbin/nginx" ] || {
    echo "unpacking nginx"
    mkdir -p "$venv/nginx"
    (cd "$venv/nginx" && { apt-get download -qq nginx || { again apt-get update -qq && apt-get download -qq nginx; } } 2>/dev/null && dpkg -x nginx_*.deb .)
}
# What passes on connections: a module of the same version, which tests load.
[ -e "$venv/nginx/usr/lib/nginx/modules/ngx_stream_module.so" ] || {
    echo "unpacking libnginx-mod-stream"
    (cd "$venv/nginx" && { apt-get download -qq libnginx-mod-stream || { again apt-get update -qq && apt-get download -qq libnginx-mod-stream; } } 2>/dev/null && dpkg -x libnginx-mod-stream_*.deb .) || echo "libnginx-mod-stream cannot be unpacked"
}
mkdir -p "$venv/bin"
ln -sf ../nginx/usr/sbin/nginx "$venv/bin/nginx"
# Searches audit logs; unpacked for the same reason.
[ -x "$venv/auditd/sbin/ausearch" ] || {
    echo "unpacking auditd"
    mkdir -p "$venv/auditd"
    packages='auditd libauparse0 libaudit1 libcap-ng0'
    # shellcheck disable=SC2086
    (cd "$venv/auditd" && { apt-get download -qq $packages || { again apt-get update -qq && apt-get download -qq $packages; } } 2>/dev/null && for package in *.deb; do dpkg -x "$package" .; done)
}
# Makes headers of LUKS, and what records who reads in PostgreSQL: without them, their tests say so.
unpack() {
    folder=$venv/$1
    shift
    echo "unpacking $*"
    mkdir -p "$folder"
    (cd "$folder" && { apt-get download -qq "$@" || { again apt-get update -qq && apt-get download -qq "$@"; } } 2>/dev/null && for package in *.deb; do dpkg -x "$package" .; done) || echo "$1 cannot be unpacked"
}
[ -x "$venv/cryptsetup/sbin/cryptsetup" ] || unpack cryptsetup cryptsetup-bin libcryptsetup12 libdevmapper1.02.1 libjson-c5 libpopt0
version=$(find /usr/lib/postgresql -mindepth 1 -maxdepth 1 -printf '%f\n' 2>/dev/null | sort -n | tail -n 1)
[ -z "$version" ] || [ -e "$venv/pgaudit/usr/lib/postgresql/$version/lib/pgaudit.so" ] || unpack pgaudit "postgresql-$version-pgaudit"
# The first PostgreSQL whose pg_hba.conf includes files; Debian has an older one.
newer=
for initdb in /usr/lib/postgresql/1[6-9]/bin/initdb "$venv"/lib/python3*/site-packages/pgserver/pginstall/bin/initdb; do
    [ ! -x "$initdb" ] || newer=$initdb
done
[ -n "$newer" ] || {
    echo "installing pgserver"
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    again "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps pgserver==0.1.4 || echo "pgserver cannot be installed"
}
# The public schemas of MEDS.
"$venv/bin/python3" -c 'import meds' 2>/dev/null || {
    echo "installing meds"
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    again "$venv/bin/pip" install --quiet --disable-pip-version-check 'meds>=0.4.1'
}
# What the figures of drift are compared with.
"$venv/bin/python3" -c 'import scipy' 2>/dev/null || {
    echo "installing scipy"
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    again "$venv/bin/pip" install --quiet --disable-pip-version-check scipy
}
# Those who are told when something is wrong: a mail server, the reference library of Standard
# Webhooks, and the models of OCSF.
"$venv/bin/python3" -c 'import aiosmtpd, standardwebhooks, py_ocsf_models' 2>/dev/null || {
    echo "installing aiosmtpd, standardwebhooks, and py-ocsf-models"
    [ -x "$venv/bin/pip" ] || python3 -m venv "$venv"
    again "$venv/bin/pip" install --quiet --disable-pip-version-check aiosmtpd standardwebhooks py-ocsf-models
}
# The public schemas of CACAO are in no package: where they cannot be fetched, their test says so.
[ -d "$venv/cacao-json-schemas/schemas" ] || {
    echo "fetching the schemas of CACAO"
    mkdir -p "$venv/cacao-json-schemas"
    (
        cd "$venv/cacao-json-schemas"
        git init --quiet
        timeout 60 git fetch --quiet --depth 1 https://github.com/oasis-open/cacao-json-schemas \
            72853294a18b7d42af84fe1cc410ac70b1366c3b && git checkout --quiet FETCH_HEAD
    ) || echo "the schemas of CACAO cannot be fetched"
}
# Takes syslog; unpacked, because installing it would start it.
[ -x "$venv/rsyslog/usr/sbin/rsyslogd" ] || {
    echo "unpacking rsyslog"
    mkdir -p "$venv/rsyslog"
    packages='rsyslog rsyslog-openssl libestr0 libfastjson4 liblognorm5'
    # shellcheck disable=SC2086
    (cd "$venv/rsyslog" && { apt-get download -qq $packages || { again apt-get update -qq && apt-get download -qq $packages; } } 2>/dev/null && for package in *.deb; do dpkg -x "$package" .; done)
}
