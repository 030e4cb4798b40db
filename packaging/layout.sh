# Lays a release out as EMQX's own packages do, in a directory that becomes a package: code below
# /usr/lib/emqx, configuration in /etc/emqx, data in /var/lib/emqx, logs in /var/log/emqx. To be sourced
# after common.sh.
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154

# launcher_facts: sets arch (uname's word) and SOURCE_DATE_EPOCH, the launcher's own unless it is set:
# the time of everything that is made.
launcher_facts() {
    case $(machine "$launcher") in
    3e00) arch=x86_64 ;;
    b700) arch=aarch64 ;;
    *) die "$launcher is for a machine that has no packages here" ;;
    esac
    if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
        SOURCE_DATE_EPOCH=$(date -d "$("$launcher" version | sed -n 's/^date: *//p')" +%s) ||
            die "$launcher does not know of which time its sources are" "build it from a commit, or set SOURCE_DATE_EPOCH"
    fi
    export SOURCE_DATE_EPOCH
}

# package_facts TARBALL: what the package is called. Sets package and four (yes for releases before
# 5.0), and takes the release's time for everything that is made.
package_facts() {
    local vars=$tree/releases/emqx_vars
    four=no
    grep -q '^SCHEMA_MOD=' "$vars" || four=yes
    package=$(basename -- "$1" | sed -nE 's/^(emqx(-enterprise|-ee)?)-[0-9].*/\1/p')
    if [ -z "$package" ]; then
        package=emqx
        ! grep -q '^IS_ENTERPRISE="yes"' "$vars" || package=emqx-enterprise
    fi
    SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(stat -c %Y -- "$vars")}
    launcher_facts
}

# lay_out ROOT: the files of the package. `tree` is used up.
lay_out() {
    local root=$1 home=$1/usr/lib/emqx part
    mkdir -p -- "$home" "$root/etc" "$root/var/lib" "$root/var/log/emqx" "$root/usr/bin"
    [ -d "$tree/etc" ] || die "the release has no etc"
    mkdir -p -- "$tree/data" "$tree/plugins"
    for part in "$tree"/{bin,erts-*,lib,releases,dynlibs,plugins}; do
        [ ! -e "$part" ] || mv -- "$part" "$home/"
    done
    mkdir -- "$home/relup"
    mv -- "$tree/etc" "$root/etc/emqx"
    mv -- "$tree/data" "$root/var/lib/emqx"
    ln -s ../lib/emqx/bin/emqx ../lib/emqx/bin/emqx_ctl "$root/usr/bin/"
    say_where "$home/releases/emqx_vars" "$root/etc/emqx"
    lay_out_help "$root"
    lay_out_unit "$root"
    settle "$root"
}

# lay_out_overlay ROOT DIR: the launcher alone, in that directory.
lay_out_overlay() {
    mkdir -p -- "$1/$2" "$1/usr/lib/systemd/system/emqx.service.d"
    install -m 755 -- "$launcher" "$1/$2/emqx"
    install -m 644 -- "$packaging/systemd/launcher.conf" \
        "$1/usr/lib/systemd/system/emqx.service.d/50-launcher.conf"
    lay_out_help "$1"
}

# settle ROOT: all is of one time, and nobody but the owner may write what root runs.
settle() {
    chmod -R u+rwX,go-w,a+rX -- "$1"
    find "$1" -exec touch -h -d "@$SOURCE_DATE_EPOCH" -- {} +
}

# set_var FILE NAME VALUE: the assignment of that name, demanded to be there.
set_var() {
    grep -qE "^(export +)?$2=" "$1" || die "releases/emqx_vars of this release does not set $2" \
        "this version of the launcher knows releases 4.x to 6.x"
    sed -i -E "s#^((export +)?$2=).*#\\1$3#" "$1"
}

# The directories of a package in emqx_vars, and in the files of etc that name them relatively.
say_where() {
    local vars=$1 etc=$2 file log=EMQX_LOG_DIR
    set_var "$vars" RUNNER_BIN_DIR '"/usr/bin"'
    set_var "$vars" RUNNER_USER '"emqx"'
    if [ "$four" = yes ]; then
        set_var "$vars" RUNNER_ETC_DIR '"/etc/emqx"'
        set_var "$vars" RUNNER_DATA_DIR '"/var/lib/emqx"'
        set_var "$vars" RUNNER_LOG_DIR '"/var/log/emqx"'
        find "$etc" -type f \( -name '*.conf' -o -name '*.config' \) -exec sed -i -E \
            -e 's#^([^\#%=]*= *"?)etc/#\1/etc/emqx/#' -e 's#^([^\#%=]*= *"?)data(/|"? *$)#\1/var/lib/emqx\2#' \
            -e 's#^([^\#%=]*= *"?)log(/|"? *$)#\1/var/log/emqx\2#' {} +
        grep -qE '^node\.data_dir *= */var/lib/emqx *$' "$etc/emqx.conf" || die \
            "etc/emqx.conf of this release does not set node.data_dir = data"
    else
        set_var "$vars" EMQX_ETC_DIR '"/etc/emqx"'
        # Releases of 5.0 have the old name. The environment comes first, as in EMQX's own packages.
        grep -qE '^(export +)?EMQX_LOG_DIR=' "$vars" || log=RUNNER_LOG_DIR
        # shellcheck disable=SC2016
        set_var "$vars" "$log" '"${EMQX_LOG_DIR:-${RUNNER_LOG_DIR:-/var/log/emqx}}"'
        sed -i -E -e 's#^([^\#]*\bdata_dir *= *)"data"#\1"/var/lib/emqx"#' \
            -e 's#^([^\#"]*[=:] *")etc/#\1/etc/emqx/#' -e 's#^([^\#"]*[=:] *")log/#\1/var/log/emqx/#' "$etc/emqx.conf"
        grep -qE '^[^#]*\bdata_dir *= *"/var/lib/emqx"' "$etc/emqx.conf" || die \
            'etc/emqx.conf of this release does not set node.data_dir to "data"'
    fi
    for file in "$etc/vm.args" "$etc/ssl_dist.conf"; do
        [ ! -f "$file" ] || sed -i -e 's#"data/#"/var/lib/emqx/#' -e 's#"etc/#"/etc/emqx/#' "$file"
    done
}

# The launcher's manual pages and completions.
lay_out_help() {
    local share=$1/usr/share page
    mkdir -p -- "$share/man/man1" "$share/bash-completion/completions" \
        "$share/zsh/vendor-completions" "$share/fish/vendor_completions.d"
    "$launcher" man --dir "$share/man/man1" >/dev/null
    find "$share/man/man1" -type f -exec gzip -n9 -- {} +
    # Second names of a page.
    find "$share/man/man1" -type l | while IFS= read -r page; do
        ln -s "$(readlink -- "$page").gz" "$page.gz"
        rm -- "$page"
    done
    "$launcher" completions bash >"$share/bash-completion/completions/emqx"
    "$launcher" completions zsh >"$share/zsh/vendor-completions/_emqx"
    "$launcher" completions fish >"$share/fish/vendor_completions.d/emqx.fish"
}

# The unit. The release handler of 4.x installs releases in /usr/lib/emqx itself.
lay_out_unit() {
    local writable='-/usr/lib/emqx/relup -/usr/lib/emqx/plugins'
    [ "$four" = no ] || writable=-/usr/lib/emqx
    mkdir -p -- "$1/usr/lib/systemd/system"
    sed "s#@WRITABLE@#$writable#" "$packaging/systemd/emqx.service" \
        >"$1/usr/lib/systemd/system/emqx.service"
}

# What the user emqx owns in an installed package, and so what it can change.
owned_by_emqx() {
    if [ "$four" = yes ]; then
        echo /usr/lib/emqx
    else
        echo /usr/lib/emqx/relup /usr/lib/emqx/plugins
    fi
}
