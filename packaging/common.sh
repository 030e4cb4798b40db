# What the scripts of this directory share: errors, facts about a release tarball, and the exchange
# of its shell scripts for the launcher. To be sourced by bash; it changes nothing by itself.
# shellcheck shell=bash

packaging=$(CDPATH='' cd -- "$(dirname -- "${BASH_SOURCE[0]}")" && pwd -P)
checkout=$(dirname -- "$packaging")
launcher=${EMQX_LAUNCHER:-$checkout/dist/emqx}
export LC_ALL=C
umask 022

# die MESSAGE [HINT]: nothing can be done.
die() {
    echo "ERROR: $1" >&2
    [ $# -lt 2 ] || echo "hint: $2" >&2
    exit 1
}

# misuse: the command line was wrong. Every script has its own `usage`.
misuse() {
    usage >&2
    exit 2
}

# need COMMAND...: what the script calls is there.
need() {
    local command
    for command in "$@"; do
        command -v "$command" >/dev/null || die "$command is not installed" \
            "install it, or run tests/install-tools test"
    done
}

is_elf() {
    [ "$(head -c 4 -- "$1" 2>/dev/null | od -An -tx1 | tr -d ' \n')" = 7f454c46 ]
}

# The machine that an ELF file is for, as the two bytes of its header; nothing for other files.
machine() {
    ! is_elf "$1" || od -An -tx1 -j18 -N2 -- "$1" | tr -d ' \n'
}

need_launcher() {
    [ -x "$launcher" ] || die "$launcher is not built" "run \`make build\` first"
    is_elf "$launcher" || die "$launcher is no program of this project" "run \`make build\` first"
    launcher_version=$("$launcher" version | awk 'NR == 1 {print $NF}')
    [ -n "$launcher_version" ] || die "$launcher does not tell its version" "run \`make build\` first"
}

# open_release TARBALL WORK: checks the digest beside the tarball if there is one, and unpacks it
# into WORK/tree. Sets: names (a file, its entries in their order), prefix (`emqx/` or nothing),
# tree (where bin, lib and the like are), rel_vsn.
open_release() {
    local tarball=$1 work=$2 vars wanted found
    [ -f "$tarball" ] || die "$tarball is no file"
    [ -r "$tarball" ] || die "$tarball cannot be read"
    if [ -f "$tarball.sha256" ]; then
        wanted=$(tr 'A-F' 'a-f' <"$tarball.sha256" | grep -oE '\b[0-9a-f]{64}\b' | head -n 1) || true
        found=$(sha256sum <"$tarball" | cut -d ' ' -f 1)
        [ "$wanted" = "$found" ] || die "$tarball is not what $tarball.sha256 says: $found" \
            "get both again from where they came"
    fi
    names=$work/names
    tar -tzf "$tarball" >"$names" 2>"$work/tar.log" || die \
        "$tarball is no whole tar.gz archive: $(head -n 1 -- "$work/tar.log")" \
        "give a release tarball such as emqx-enterprise-5.10.4-debian12-amd64.tar.gz"
    vars=$(grep -xE '(\./)?(emqx/)?releases/emqx_vars' "$names" || true)
    [ "$(grep -c . <<<"$vars")" -eq 1 ] || die \
        "$tarball is no EMQX release: it has no releases/emqx_vars" \
        "give a release tarball such as emqx-enterprise-5.10.4-debian12-amd64.tar.gz"
    prefix=${vars%releases/emqx_vars}
    for wanted in bin/emqx 'erts-[^/]+/bin/beam\.smp' 'releases/[^/]+/[^/]+\.rel' 'lib/.*\.beam'; do
        grep -qE "^${prefix//./\\.}$wanted\$" "$names" || die \
            "$tarball is no EMQX release: it has no ${wanted//\\/}" \
            "give the tarball of a whole release, not a plugin or sources"
    done
    # Such names would be other ones in the result, or none.
    ! grep -qE '^(/|-)|(^|/)\.\.(/|$)' "$names" || die \
        "$tarball has entries outside of it: $(grep -E '^(/|-)|(^|/)\.\.(/|$)' "$names" | head -n 1)"
    found=$(sort -- "$names" | uniq -d | head -n 1)
    [ -z "$found" ] || die "$tarball has the entry $found twice"

    mkdir -- "$work/tree"
    tar -xpzf "$tarball" -C "$work/tree" --no-same-owner || die "$tarball cannot be unpacked"
    tree=$work/tree/$prefix
    tree=${tree%/}
    rel_vsn=$(sed -nE "s/^(export +)?REL_VSN=[\"']?([^\"']*)[\"']?[ ]*\$/\2/p" \
        "$tree/releases/emqx_vars" | tail -n 1)
    [[ $rel_vsn =~ ^[0-9A-Za-z][0-9A-Za-z.+_~-]*$ ]] || die \
        "$tarball has no version: REL_VSN in releases/emqx_vars is '$rel_vsn'"
    wanted=$(machine "$(compgen -G "$tree/erts-*/bin/beam.smp" | head -n 1)")
    [ -z "$wanted" ] || [ "$wanted" = "$(machine "$launcher")" ] || die \
        "$launcher is built for another machine than $tarball" "build it on such a machine"
}

# put_launcher TREE: the launcher becomes bin/emqx, bin/emqx_ctl a link to it; scripts that stood
# there are kept with `.sh` behind their names. Times are those of what was replaced, so that the same
# input gives the same output. Copies such as bin/emqx-4.4.0 stay what they are: the launcher never
# installs them, and whoever still boots with the script needs them.
put_launcher() {
    local bin=$1/bin name time directory_time
    directory_time=$(stat -c %Y -- "$bin")
    time=$(stat -c %Y -- "$bin/emqx")
    for name in emqx emqx_ctl; do
        if [ -L "$bin/$name" ] && [ "$(readlink -- "$bin/$name")" = emqx ]; then
            rm -- "$bin/$name"
        elif [ -e "$bin/$name" ] || [ -L "$bin/$name" ]; then
            is_elf "$bin/$name" || mv -f -- "$bin/$name" "$bin/$name.sh"
        fi
    done
    install -m 755 -- "$launcher" "$bin/emqx"
    ln -sf emqx "$bin/emqx_ctl"
    touch -h -d "@$time" -- "$bin/emqx" "$bin/emqx_ctl"
    touch -d "@$directory_time" -- "$bin"
}
