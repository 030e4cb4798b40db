# What both RPM packages need. To be sourced after common.sh; SOURCE_DATE_EPOCH is the time of all that
# is made, `work` a directory for scraps, `root` the files of the package.
# shellcheck shell=bash
# shellcheck disable=SC2154

# A version has no `-`, and a pre-release comes before its release: 5.10.4-rc.1 is 5.10.4~rc.1.
rpm_version() {
    tr '_-' '~~' <<<"$1"
}

# Where RPM systems look for completions of zsh.
rpm_layout() {
    mv -- "$1/usr/share/zsh/vendor-completions" "$1/usr/share/zsh/site-functions"
}

# list_files ROOT: the %files of the package, one a line, each with its directive.
list_files() {
    local path
    (cd -- "$1" && find . -mindepth 1 -printf '%y /%P\n' | sort -k 2) | while IFS= read -r path; do
        case $path in
        # Directories of the system.
        "d /etc" | "d /usr" | "d /usr/bin" | "d /usr/lib" | "d /usr/share" | "d /usr/share/man"* | \
            "d /var" | "d /var/lib" | "d /var/log" | "d /usr/lib/systemd" | "d /usr/lib/systemd/system" | \
            "d /usr/share/bash-completion"* | "d /usr/share/zsh"* | "d /usr/share/fish"* | \
            "d /usr/share/licenses") ;;
        "d /etc/emqx") echo "%dir %attr(0750,root,emqx) \"/etc/emqx\"" ;;
        "d /var/lib/emqx"* | "d /var/log/emqx"*) echo "%dir %attr(0750,emqx,emqx) \"${path#d }\"" ;;
        [fl]" /var/lib/emqx/"*) echo "%attr(-,emqx,emqx) \"${path#? }\"" ;;
        "f /etc/"*) echo "%config(noreplace) \"${path#f }\"" ;;
        "d /usr/lib/emqx/relup" | "d /usr/lib/emqx/plugins") echo "%dir %attr(0755,emqx,emqx) \"${path#d }\"" ;;
        *" /usr/share/man/"*) echo "%doc \"${path#? }\"" ;;
        *" /usr/share/licenses/"*"/"*) echo "%license \"${path#? }\"" ;;
        "d /usr/lib/emqx"*) echo "%dir %attr($(code_owner)) \"${path#d }\"" ;;
        *" /usr/lib/emqx/"*) echo "%attr($(code_owner)) \"${path#? }\"" ;;
        d*) echo "%dir \"${path#d }\"" ;;
        *) echo "\"${path#? }\"" ;;
        esac
    done
}

# The release handler of 4.x writes into the installation.
code_owner() {
    if [ "${four:-no}" = yes ]; then echo "-,emqx,emqx"; else echo "-,root,root"; fi
}

packager=${PACKAGE_MAINTAINER:-emqx launcher packages <emqx-launcher@packages.invalid>}

# pack SPEC DIR ARGUMENT...: builds the package of that spec from `root` and the list `files`.
pack() {
    local spec=$1 to=$2 built
    shift 2
    # Nothing of the builder, of its time or of its number of processors gets into the package.
    rpmbuild -bb --quiet --target "$arch" \
        --define "_topdir $work/rpm" --define "_tmppath $work" --define "_rpmdir $work/out" \
        --define "_build_name_fmt %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
        --define "_buildhost localhost" --define "use_source_date_epoch_as_buildtime 1" \
        --define "clamp_mtime_to_source_date_epoch 1" --define "source_date_epoch_from_changelog 0" \
        --define "_binary_payload w9.gzdio" --define "_source_payload w9.gzdio" \
        --define "launcher_version $(rpm_version "$launcher_version")" --define "staged $root" \
        --define "listed $work/files" --define "packager_is $packager" \
        --define "changelog_day $(date -u -d "@$SOURCE_DATE_EPOCH" '+%a %b %d %Y')" "$@" "$spec" >"$work/rpm.log" 2>&1 || {
        tail -n 20 -- "$work/rpm.log" >&2
        die "rpmbuild has failed"
    }
    for built in "$work/out"/*.rpm; do
        mv -f -- "$built" "$to/"
        echo "$to/${built##*/}"
    done
}
