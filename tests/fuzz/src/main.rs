//! One target under the engine; `FUZZ_TARGET` says which. See `run` for how it is built.
#![no_main]

use std::sync::LazyLock;

/// Without a target there is nothing to do, and the list is what the caller wants to see.
static TARGET: LazyLock<fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| {
        let names: Vec<&str> = fuzz::targets::ALL
            .iter()
            .map(|target| target.name)
            .collect();
        eprintln!(
            "ERROR: FUZZ_TARGET is {name:?}\nhint: it must be one of {}",
            names.join(" ")
        );
        std::process::exit(2)
    })
});

libfuzzer_sys::fuzz_target!(
    init: {
        LazyLock::force(&TARGET);
    },
    |bytes: &[u8]| (TARGET.run)(bytes)
);
