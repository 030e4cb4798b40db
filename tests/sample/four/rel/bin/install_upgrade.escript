#!/bin/sh
# The release's own bin/install_upgrade.escript. It must never run: whoever works with this release does so from
# outside. The exit code tells a test that it was called.
echo "this is the bin/install_upgrade.escript of release @REL_VSN@; it does nothing" >&2
exit 99
